

def test_images_are_told_what_makes_features_of_them():
    with pytest.raises(UsageError, match=r"\[n, d\], not an array of shape \[5, 1, 4, 4\]: .*load_extractor"):
        checked(np.zeros((5, 1, 4, 4)), "features", ndim=2)

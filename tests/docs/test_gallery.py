from __future__ import annotations

import gallery
from making import record, score, training

from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec


def page(records, pictures=None):
    offers = [registry().find(ModelSpec, name) for name in ("gan", "dcgan")]
    return gallery.page(offers, records, pictures or {each.id: f"{each.subject.name}.png" for each in records})


def test_a_picture_has_its_models_fid_and_time():
    text = page([record("gan", score(2.5), trained=training())])
    assert "![Samples of gan](gan.png)" in text
    assert "#gan)<br>FID 2.5, " in text
    assert "No samples are committed of `dcgan`." in text


def test_only_finished_runs_of_seed_0_with_a_picture_are_shown():
    unfinished = record("gan", score(2.5), trained=training(finished=False))
    other_seed = record("gan", score(3.5), trained=training(seed=1))
    unseen = record("dcgan", score(4.5), trained=training())
    text = page([unfinished, other_seed, unseen], {unfinished.id: "a.png", other_seed.id: "b.png"})
    assert "![" not in text
    assert "No samples are committed of `gan`, `dcgan`." in text

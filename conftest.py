"""For tests of core and plugins alike: one thread, in children too. Tiny tensors gain nothing from more of them."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

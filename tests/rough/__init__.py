"""What a rough world does to a run, tried many times: a law a file, and the world in which they are tried."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: small models, and commands in many processes

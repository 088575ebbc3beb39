"""`python -m flows.compile` compiles ahead all that is compiled, as is done when an image is built."""

import flows.clicks  # noqa: F401
from flows.runtime.compiled import get_ready

if __name__ == "__main__":
    get_ready()

"""`python -m flows.ingest.scan` compiles ahead, as is done when an image is built."""

from flows.ingest.scan.scan import get_ready

if __name__ == "__main__":
    get_ready()

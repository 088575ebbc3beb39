"""The Bytewax operators that the flow is drawn with; what they do is in the packages before."""

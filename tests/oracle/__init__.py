"""The oracle: every figure computed anew from the whole log, naively; it shares no code with flows/."""

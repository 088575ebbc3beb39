"""The demo's shop: what it sells, who visits it, the clicks of each second."""

"""The daemon: what watches turns and tells others about them."""

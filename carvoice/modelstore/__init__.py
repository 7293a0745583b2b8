"""Models on disk: what can be had, what is installed, and how it gets there and stays whole.

A model lies in a folder of its own with an ``installed.json`` that names its files, their sizes and SHA-256
and its licence. It comes from the network (resumed after a break, checked), or, where there is none, from
a file, a folder or an archive that somebody brought.
"""

from carvoice.modelstore.card import Installed, sha256_of
from carvoice.modelstore.download import Progress
from carvoice.modelstore.registry import Offer, read_registry
from carvoice.modelstore.store import ModelStore, default_folder

__all__ = ["Installed", "ModelStore", "Offer", "Progress", "default_folder", "read_registry", "sha256_of"]

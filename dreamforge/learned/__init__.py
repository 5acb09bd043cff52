"""Learned scores of the renders, the phi of VSD and its kin: every one serves every method that takes a `phi`."""

from dreamforge.learned.bootstrapped import Bootstrapped
from dreamforge.learned.lora import LoRA
from dreamforge.learned.network import Network

LEARNED = {"lora": LoRA, "network": Network, "bootstrapped": Bootstrapped}

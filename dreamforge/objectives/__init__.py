"""Score-distillation objectives, one short file each: (z, t, eps, prior, prompt, *, options) -> Distilled."""

from dreamforge.contracts import Method
from dreamforge.objectives.anchords import anchords
from dreamforge.objectives.asd import asd
from dreamforge.objectives.bootstrapped import bootstrapped
from dreamforge.objectives.bsd import bsd
from dreamforge.objectives.cds import cds
from dreamforge.objectives.cfd import cfd
from dreamforge.objectives.csd import csd
from dreamforge.objectives.csm import csm
from dreamforge.objectives.dds import dds
from dreamforge.objectives.dreamdpo import dreamdpo
from dreamforge.objectives.dsd import dsd
from dreamforge.objectives.esd import esd
from dreamforge.objectives.fdistill import fdistill
from dreamforge.objectives.hifa import hifa
from dreamforge.objectives.imagedream import imagedream
from dreamforge.objectives.invariant import invariant
from dreamforge.objectives.ipsds import ipsds
from dreamforge.objectives.isd import isd
from dreamforge.objectives.ism import ism
from dreamforge.objectives.mean_shift import mean_shift
from dreamforge.objectives.mvdream import mvdream
from dreamforge.objectives.nfsd import nfsd
from dreamforge.objectives.pds import pds
from dreamforge.objectives.pgsb import pgsb
from dreamforge.objectives.reward_sds import reward_sds
from dreamforge.objectives.reward_vsd import reward_vsd
from dreamforge.objectives.rfds import rfds
from dreamforge.objectives.sdi import sdi
from dreamforge.objectives.sds import sds
from dreamforge.objectives.sds_bridge import sds_bridge
from dreamforge.objectives.sim import sim
from dreamforge.objectives.sjc import sjc
from dreamforge.objectives.tsm import tsm
from dreamforge.objectives.uni_instruct import uni_instruct
from dreamforge.objectives.vsd import vsd

OBJECTIVES = {
    "sds": Method(sds, "2", {"guidance"}),
    "anchords": Method(anchords, "2", {"guidance", "image"}),
    "asd": Method(asd, "3", {"guidance"}),
    "bootstrapped": Method(bootstrapped, "0, and 2 of its tuned copy", {"learned score", "teacher"}),
    "bsd": Method(bsd, "2", {"guidance"}),
    "cds": Method(cds, "4", {"guidance"}),
    "cfd": Method(cfd, "2", {"guidance"}),
    "csd": Method(csd, "2, or 3 while annealed", {"guidance"}),
    "csm": Method(csm, "2 + t / stride", {"guidance", "inversion"}),
    "dds": Method(dds, "4", {"guidance", "source"}),
    "dreamdpo": Method(dreamdpo, "4", {"guidance", "reward"}),
    "dsd": Method(dsd, "2, and 2 of the second", {"guidance", "learned score", "second prior"}),
    "esd": Method(esd, "2", {"guidance", "learned score"}),
    "fdistill": Method(fdistill, "2", {"guidance", "learned score"}),
    "hifa": Method(hifa, "2 x steps", {"guidance"}),
    "imagedream": Method(imagedream, "2", {"guidance", "multi-view", "image"}),
    "invariant": Method(invariant, "3", {"guidance"}),
    "ipsds": Method(ipsds, "2", {"guidance", "image"}),
    "isd": Method(isd, "3", {"guidance", "image"}),
    "ism": Method(ism, "3 + t / stride", {"guidance", "inversion"}),
    "mean_shift": Method(mean_shift, "2 x steps", {"guidance"}),
    "mvdream": Method(mvdream, "2", {"guidance", "multi-view"}),
    "nfsd": Method(nfsd, "3", {"guidance"}),
    "pds": Method(pds, "4", {"guidance", "source"}),
    "pgsb": Method(pgsb, "2", {"guidance", "learned score"}),
    "reward_sds": Method(reward_sds, "draws x (2 + 2 steps)", {"guidance", "reward"}),
    "reward_vsd": Method(reward_vsd, "draws x (2 + 2 steps)", {"guidance", "learned score", "reward"}),
    "rfds": Method(rfds, "2 + reversals", {"guidance"}),
    "sdi": Method(sdi, "2 + 2 t / stride", {"guidance", "inversion"}),
    "sds_bridge": Method(sds_bridge, "2", {"guidance"}),
    "sim": Method(sim, "2, and 2 backward", {"guidance", "learned score", "gradient"}),
    "sjc": Method(sjc, "2", {"guidance"}),
    "tsm": Method(tsm, "4 + t / stride", {"guidance", "inversion"}),
    "uni_instruct": Method(uni_instruct, "2, and 2 backward", {"guidance", "learned score", "gradient"}),
    "vsd": Method(vsd, "2", {"guidance", "learned score"}),
}

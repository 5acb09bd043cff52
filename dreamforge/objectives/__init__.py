"""Score-distillation objectives, one short file each: (z, t, eps, prior, prompt, *, options) -> Distilled."""

from dreamforge.objectives.asd import asd
from dreamforge.objectives.bsd import bsd
from dreamforge.objectives.cds import cds
from dreamforge.objectives.csd import csd
from dreamforge.objectives.csm import csm
from dreamforge.objectives.hifa import hifa
from dreamforge.objectives.ism import ism
from dreamforge.objectives.mvdream import mvdream
from dreamforge.objectives.nfsd import nfsd
from dreamforge.objectives.rfds import rfds
from dreamforge.objectives.sdi import sdi
from dreamforge.objectives.sds import sds
from dreamforge.objectives.sds_bridge import sds_bridge
from dreamforge.objectives.sjc import sjc
from dreamforge.objectives.tsm import tsm

OBJECTIVES = {
    "sds": sds,
    "asd": asd,
    "bsd": bsd,
    "cds": cds,
    "csd": csd,
    "csm": csm,
    "hifa": hifa,
    "ism": ism,
    "mvdream": mvdream,
    "nfsd": nfsd,
    "rfds": rfds,
    "sdi": sdi,
    "sds_bridge": sds_bridge,
    "sjc": sjc,
    "tsm": tsm,
}

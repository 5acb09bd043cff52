"""Score-distillation objectives, one short file each: (z, t, eps, prior, prompt, *, options) -> Distilled."""

from dreamforge.objectives.sds import sds

OBJECTIVES = {"sds": sds}

"""What a model is worth on data that it has not seen, and what went wrong in a fit if anything did.

`evaluation` measures a model, with the bound of `importance` and the standard errors of `precision`; `information`
splits its rate into three exact terms, `probe` classifies its codes, and `similarity` compares its pictures with the
originals. `inference_gaps` and `hamiltonian` hold the guide against the best posterior of its family, and against the
posterior, and `classes` holds discrete latents against labels. `diagnosis` says what went wrong in a run, with the help
of `paying_beta`, and `rate_distortion` compares runs at different β.
"""

from __future__ import annotations

from .classes import ClassErrors, class_errors, component_errors, errors_of_classes
from .diagnosis import Diagnosis, diagnose, still_falling
from .evaluation import Evaluation, evaluate, least_information
from .hamiltonian import ChainsOfImages, nuts
from .importance import iw_bound
from .inference_gaps import Gaps, gaps
from .information import Information, decompose_rate
from .paying_beta import largest_paying_beta
from .probe import probe_accuracy
from .rate_distortion import lower_hull, slopes
from .similarity import psnr, ssim

__all__ = [
    "ChainsOfImages",
    "ClassErrors",
    "Diagnosis",
    "Evaluation",
    "Gaps",
    "Information",
    "class_errors",
    "component_errors",
    "decompose_rate",
    "diagnose",
    "errors_of_classes",
    "evaluate",
    "gaps",
    "iw_bound",
    "largest_paying_beta",
    "least_information",
    "lower_hull",
    "nuts",
    "probe_accuracy",
    "psnr",
    "slopes",
    "ssim",
    "still_falling",
]

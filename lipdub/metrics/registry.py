"""All metrics, in the order of a score's rows. A metric is one file of this package and one line here."""

from __future__ import annotations

from lipdub.metrics.metric import Metric
from lipdub.registry import Registry

METRICS = Registry(
    "metric",
    Metric,
    {
        "faces": "lipdub.metrics.face_share:METRIC",
        "av_sync": "lipdub.metrics.motion_sync:AGREEMENT_METRIC",
        "av_offset_ms": "lipdub.metrics.motion_sync:OFFSET_METRIC",
        "av_confidence": "lipdub.metrics.motion_sync:CONFIDENCE_METRIC",
        "silence_motion_ratio": "lipdub.metrics.silence_motion:METRIC",
        "frozen_share": "lipdub.metrics.frozen_share:METRIC",
        "jitter": "lipdub.metrics.jitter:METRIC",
        "opening_range_ratio_source": "lipdub.metrics.opening_range:SOURCE_METRIC",
        "lse_d": "lipdub.metrics.lse_video:DISTANCE_METRIC",
        "lse_c": "lipdub.metrics.lse_video:CONFIDENCE_METRIC",
        "lse_offset_ms": "lipdub.metrics.lse_video:OFFSET_METRIC",
        "opening_target_corr": "lipdub.metrics.opening_target:CORRELATION_METRIC",
        "opening_target_mae": "lipdub.metrics.opening_target:ERROR_METRIC",
        "opening_range_ratio_target": "lipdub.metrics.opening_range:TARGET_METRIC",
        "seam": "lipdub.metrics.seam:METRIC",
        "colour_step": "lipdub.metrics.colour_step:METRIC",
        "mouth_sharpness": "lipdub.metrics.sharpness:EYES_METRIC",
        "sharpness_mouth_vs_cheeks": "lipdub.metrics.sharpness:CHEEKS_METRIC",
        "cpbd": "lipdub.metrics.cpbd:FACE_METRIC",
        "cpbd_frame": "lipdub.metrics.cpbd:FRAME_METRIC",
        "flicker": "lipdub.metrics.flicker:METRIC",
        "speckles": "lipdub.metrics.speckles:METRIC",
        "csim": "lipdub.metrics.csim:METRIC",
        "unmasked_changed_samples": "lipdub.metrics.unmasked_changes:SAMPLES_METRIC",
        "psnr_outside": "lipdub.metrics.unmasked_changes:PSNR_METRIC",
        "pts_max_error_ms": "lipdub.metrics.frame_times:ERROR_METRIC",
        "frames_missing": "lipdub.metrics.frame_times:MISSING_METRIC",
        "psnr": "lipdub.metrics.psnr:FRAME_METRIC",
        "ssim": "lipdub.metrics.ssim:FRAME_METRIC",
        "mse": "lipdub.metrics.mse:FRAME_METRIC",
        "ifc": "lipdub.metrics.ifc:FRAME_METRIC",
        "psnr_crop": "lipdub.metrics.psnr:CROP_METRIC",
        "ssim_crop": "lipdub.metrics.ssim:CROP_METRIC",
        "mse_crop": "lipdub.metrics.mse:CROP_METRIC",
        "ifc_crop": "lipdub.metrics.ifc:CROP_METRIC",
        "lpips_crop": "lipdub.metrics.lpips:METRIC",
        "fid_crop": "lipdub.metrics.fid:METRIC",
        "lmd": "lipdub.metrics.lmd:MOUTH_METRIC",
        "lmd_eyes": "lipdub.metrics.lmd:MOUTH_EYES_METRIC",
        "f_lmd": "lipdub.metrics.lmd:FACE_METRIC",
        "f_lmd_eyes": "lipdub.metrics.lmd:FACE_EYES_METRIC",
    },
)

"""Points within a ball, samples of different sizes one behind the other."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops.ball_query import within


def stack_ball_query(
    max_radius: float,
    sample_num: int,
    xyz: Tensor,
    xyz_batch_cnt: Tensor,
    center_xyz: Tensor,
    center_xyz_batch_cnt: Tensor,
) -> Tensor:
    """Take the first points, by index, that lie within a ball around each centre of the same sample.

    Args:
        max_radius (float): metres; inside means nearer than this.
        sample_num (int): points of each centre, at least 1.
        xyz (Tensor[N, 3]): points of all samples, one sample behind the other.
        xyz_batch_cnt (Tensor[B], integers): points of each sample.
        center_xyz (Tensor[M, 3]): centres, likewise.
        center_xyz_batch_cnt (Tensor[B], integers): centres of each sample.

    Returns:
        Tensor[M, sample_num] of int32: indices within the sample, ascending; missing ones repeat the first. A centre
        without a point has -1 first and 0 behind.

    Source: PV-RCNN, arXiv 1912.13192; mmcv's ``ball_query`` with batch counts.
    """
    result = torch.zeros((center_xyz.shape[0], sample_num), dtype=torch.int32, device=xyz.device)
    clouds, centers = xyz.split(xyz_batch_cnt.tolist()), center_xyz.split(center_xyz_batch_cnt.tolist())
    for cloud, own, out in zip(clouds, centers, result.split(center_xyz_batch_cnt.tolist())):
        index, some = within(cloud, own, 0.0, max_radius, sample_num)
        out.copy_(index)
        out[:, 0] = torch.where(some, out[:, 0], torch.full_like(out[:, 0], -1))
    return result


def sample_of_rows(batch_cnt: Tensor, rows: int) -> Tensor:
    """Sample in which each of ``rows`` rows lies, for the number of rows of each sample: Tensor[rows] of int64."""
    samples = torch.arange(batch_cnt.shape[0], device=batch_cnt.device)
    return torch.repeat_interleave(samples, batch_cnt.long(), output_size=rows)

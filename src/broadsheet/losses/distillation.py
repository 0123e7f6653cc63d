"""Losses that carry a teacher's judgement into a student.

Legend: B rows, C classes, N negatives, D student width, E teacher width. Targets carry no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.losses.contrastive import similarities
from broadsheet.losses.precision import in_full_precision


@in_full_precision
def logit_mse(student_BC: Tensor, teacher_BC: Tensor) -> Tensor:
    """Return the squared difference of logits, summed over classes, mean over rows.

    Inputs:
        Logits of student and teacher for the same inputs.

    Negatives per anchor:
        None.

    Relations:
        `kl_at_temperature` compares what softmax makes of them. The sum makes values for 1 and 3
        classes not comparable.

    Shape:
        [B, C] and [B, C] -> scalar.

    Source:
        Distilled sentence embedding (arXiv 1908.05161).

    Example:
        >>> logit_mse(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]])).item()
        5.0
    """
    _same_shape(student_BC, teacher_BC)
    return (student_BC - teacher_BC.detach()).square().sum(dim=-1).mean()


@in_full_precision
def kl_at_temperature(student_BC: Tensor, teacher_BC: Tensor, temperature: float = 2.0) -> Tensor:
    """Return t^2 KL(softmax(teacher / t) || softmax(student / t)), mean over rows.

    The factor t^2 keeps the size of the gradient when t changes.

    Inputs:
        Logits of student and teacher over the same classes or the same candidates.

    Negatives per anchor:
        None, or C - 1 when the columns are candidates.

    Relations:
        For large t it tends to `logit_mse` on centred logits, divided by 2 C.

    Shape:
        [B, C] and [B, C] -> scalar.

    Source:
        Distilling the knowledge in a neural network (arXiv 1503.02531), section 2.

    Example:
        >>> kl_at_temperature(torch.zeros(1, 3), torch.full((1, 3), 7.0)).item()
        0.0
    """
    _same_shape(student_BC, teacher_BC)
    log_student_BC = F.log_softmax(student_BC / temperature, dim=-1)
    log_teacher_BC = F.log_softmax(teacher_BC.detach() / temperature, dim=-1)
    kl = F.kl_div(log_student_BC, log_teacher_BC, reduction="batchmean", log_target=True)
    return kl * temperature**2


@in_full_precision
def margin_mse(
    positive_B: Tensor, negative_BN: Tensor, teacher_positive_B: Tensor, teacher_negative_BN: Tensor
) -> Tensor:
    """Return the squared difference of margins (positive minus negative), mean over all.

    Inputs:
        Scores of student and teacher for (query, positive) and (query, negative).

    Negatives per anchor:
        N, the caller's; one when negatives are given as [B].

    Relations:
        Unlike `logit_mse` it leaves each query's level free.

    Shape:
        [B] and [B, N] (or [B]) each -> scalar.

    Source:
        Margin-MSE (arXiv 2010.02666).

    Example:
        >>> zero, one = torch.zeros(2), torch.ones(2)
        >>> margin_mse(one, zero, one, -one).item()
        1.0
    """
    _same_shape(positive_B, teacher_positive_B)
    _same_shape(negative_BN, teacher_negative_BN)
    rows = len(positive_B)
    margin_BN = positive_B[:, None] - negative_BN.reshape(rows, -1)
    target_BN = teacher_positive_B[:, None] - teacher_negative_BN.reshape(rows, -1)
    return (margin_BN - target_BN.detach()).square().mean()


@in_full_precision
def similarity_kl(x_BD: Tensor, teacher_BE: Tensor, temperature: float = 0.07) -> Tensor:
    """Return KL of the teacher's to the student's similarities within a batch, mean over rows.

    A row's similarities to all other rows, over the temperature, become probabilities; the row's
    similarity to itself is left out.

    Inputs:
        Vectors of student and teacher for the same texts; widths may differ.

    Negatives per anchor:
        None are labelled: the teacher grades the B - 1 others.

    Relations:
        It leaves the student its own coordinates, where `embedding_mse` prescribes the teacher's.

    Shape:
        [B, D] and [B, E] -> scalar.

    Raises:
        BadInput: Fewer than 3 rows, with which there is nothing to compare.

    Source:
        SEED (arXiv 2101.04731), with the batch in place of a queue.

    Example:
        >>> x = torch.eye(4)
        >>> similarity_kl(x, x).item()
        0.0
    """
    rows = len(x_BD)
    if rows != len(teacher_BE) or rows < 3:
        raise BadInput(
            "similarities need 3 rows or more, as many of the student as of the teacher",
            received=f"{rows} and {len(teacher_BE)}",
        )
    student_BB = _others(similarities(x_BD, x_BD)) / temperature
    teacher_BB = _others(similarities(teacher_BE, teacher_BE).detach()) / temperature
    return F.kl_div(
        F.log_softmax(student_BB, dim=1),
        F.log_softmax(teacher_BB, dim=1),
        reduction="batchmean",
        log_target=True,
    )


@in_full_precision
def embedding_mse(x_BD: Tensor, teacher_BD: Tensor) -> Tensor:
    """Return the squared difference of vectors, mean over rows and numbers.

    Inputs:
        Vectors of student and teacher for the same texts (or for a text and its translation).

    Negatives per anchor:
        None.

    Relations:
        See `similarity_kl`. For vectors of length 1 it is 2 (1 - cosine) / D.

    Shape:
        [B, D] and [B, D] -> scalar.

    Source:
        Multilingual knowledge distillation (arXiv 2004.09813).

    Example:
        >>> embedding_mse(torch.ones(2, 4), torch.zeros(2, 4)).item()
        1.0
    """
    _same_shape(x_BD, teacher_BD)
    return (x_BD - teacher_BD.detach()).square().mean()


def _others(sims_BB: Tensor) -> Tensor:
    """Drop the diagonal: [B, B] -> [B, B - 1]."""
    rows = len(sims_BB)
    keep_BB = ~torch.eye(rows, dtype=torch.bool, device=sims_BB.device)
    return sims_BB[keep_BB].view(rows, rows - 1)


def _same_shape(student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape:
        raise BadInput(
            "student and teacher differ in shape",
            received=f"{tuple(student.shape)} and {tuple(teacher.shape)}",
        )

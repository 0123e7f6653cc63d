"""The siamese pair model: two sentences, one encoder, three light heads that learn together.

Legend: P pairs, N units, D width of a vector, S width of the shared layer, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.nn.blocks import initialise

_FEATURES = {"both": 2, "difference": 3, "product": 4}


def pair_features(u_PS: Tensor, v_PS: Tensor, kind: str = "difference") -> Tensor:
    """Return [u; v], [u; v; |u - v|] or [u; v; |u - v|; u * v].

    Shape:
        u_PS, v_PS -> x_PF
    """
    parts = [u_PS, v_PS, (u_PS - v_PS).abs(), u_PS * v_PS]
    return torch.cat(parts[: _FEATURES[kind]], dim=-1)


class LightHead(nn.Module):
    """One hidden layer, then logits.

    Example:
        >>> LightHead(6, 4, 2, 0.0, torch.Generator())(torch.zeros(5, 6)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, width: int, hidden: int, logits: int, dropout: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, logits)
        initialise(self, generator, std=width**-0.5)

    def forward(self, x_NF: Tensor) -> Tensor:
        """Return logits of each row."""
        return self.out(self.dropout(F.gelu(self.hidden(x_NF))))


class STPHead(LightHead):
    """Same topic prediction: logits of [another segment, the same segment] for a pair."""


class NSPHead(LightHead):
    """Next sentence prediction: logits of [does not follow, follows] for a pair."""


class TCHead(LightHead):
    """Topic classification: logits of the classes for one sentence."""


@dataclass(frozen=True, slots=True)
class JointLogits:
    """What the heads say of pairs; None where a head is switched off.

    Args:
        same_P2: Of the STP head.
        next_P2: Of the NSP head.
        first_PC: Of the TC head on the first sentences.
        second_PC: On the second ones.
    """

    same_P2: Tensor | None
    next_P2: Tensor | None
    first_PC: Tensor | None
    second_PC: Tensor | None


class JointModel(nn.Module):
    """A layer that all heads share, and the heads of the tasks that are on.

    With a frozen encoder the shared layer is what lets one task correct another: without it the
    heads would have no weight in common.

    Args:
        width: Of a sentence's vector, neighbours included.
        shared: Of the shared layer; 0 leaves it out.
        hidden: Of each head's hidden layer.
        classes: Of the TC head.
        tasks: Which heads there are.
        feature: See `pair_features`.
        dropout: In training.
        generator: Draws the weights.

    Example:
        >>> model = JointModel(8, 6, 5, 3, ("stp", "tc"), "difference", 0.0, torch.Generator())
        >>> found = model(torch.zeros(4, 8), torch.zeros(4, 8))
        >>> found.same_P2.shape, found.next_P2, found.first_PC.shape
        (torch.Size([4, 2]), None, torch.Size([4, 3]))
    """

    def __init__(self, width, shared, hidden, classes, tasks, feature, dropout, generator) -> None:
        super().__init__()
        unknown = {*tasks} - {"stp", "tc", "nsp"}
        if unknown or not tasks or ("tc" in tasks and classes < 2):
            raise BadInput(
                "tasks are stp, tc and nsp; tc needs classes",
                received=f"{'+'.join(tasks)}, {classes} classes",
            )
        self.feature = feature
        self.dropout = nn.Dropout(dropout)
        self.shared = nn.Linear(width, shared) if shared else None
        inner = shared or width
        pair = inner * _FEATURES[feature]
        if self.shared is not None:
            initialise(self.shared, generator, std=width**-0.5)
        self.stp = STPHead(pair, hidden, 2, dropout, generator) if "stp" in tasks else None
        self.nsp = NSPHead(pair, hidden, 2, dropout, generator) if "nsp" in tasks else None
        self.tc = TCHead(inner, hidden, classes, dropout, generator) if "tc" in tasks else None

    def sentence(self, x_ND: Tensor) -> Tensor:
        """Return what the heads see of a sentence.

        Shape:
            x_ND -> u_NS
        """
        return x_ND if self.shared is None else self.dropout(F.gelu(self.shared(x_ND)))

    def forward(self, first_PD: Tensor, second_PD: Tensor) -> JointLogits:
        """Return what the heads say of pairs of sentence vectors."""
        u_PS, v_PS = self.sentence(first_PD), self.sentence(second_PD)
        z_PF = pair_features(u_PS, v_PS, self.feature)
        return JointLogits(
            self.stp(z_PF) if self.stp is not None else None,
            self.nsp(z_PF) if self.nsp is not None else None,
            self.tc(u_PS) if self.tc is not None else None,
            self.tc(v_PS) if self.tc is not None else None,
        )


class MultiTaskLoss:
    """The weighted sum of the losses of the tasks that are on, and each by itself.

    L = w1 STP + w2 TC + w3 NSP. STP counts neighbours only; TC counts sentences of neighbours, the
    mean over both sides; NSP counts all pairs.

    Args:
        weights: w1, w2, w3.
        boundary_weight: How much more a boundary counts in STP: 1, or what balances the classes.

    Example:
        >>> logits = JointLogits(torch.zeros(2, 2), None, None, None)
        >>> loss = MultiTaskLoss((1.0, 1.0, 1.0), 1.0)
        >>> none = torch.tensor([-1, -1])
        >>> found = loss(logits, torch.tensor([1, 0]), torch.tensor([1, 1]), none, none)
        >>> sorted(found), round(found["loss"].item(), 4)
        (['loss', 'stp'], 0.6931)
    """

    def __init__(self, weights: tuple[float, ...], boundary_weight: float = 1.0) -> None:
        self.weights = weights
        self.boundary_weight = boundary_weight

    def __call__(
        self,
        logits: JointLogits,
        same_P: Tensor,
        next_P: Tensor,
        first_class_P: Tensor,
        second_class_P: Tensor,
    ) -> dict[str, Tensor]:
        """Return "loss" and the loss of each task that is on."""
        near_P = next_P == 1
        parts: dict[str, Tensor] = {}
        if logits.same_P2 is not None:
            weight_2 = torch.tensor([self.boundary_weight, 1.0], device=same_P.device)
            parts["stp"] = F.cross_entropy(logits.same_P2[near_P].float(), same_P[near_P], weight_2)
        if logits.first_PC is not None and logits.second_PC is not None:
            sides = ((logits.first_PC, first_class_P), (logits.second_PC, second_class_P))
            parts["tc"] = sum(
                F.cross_entropy(side_PC[near_P].float(), class_P[near_P], ignore_index=-1)
                for side_PC, class_P in sides
            ) / len(sides)
        if logits.next_P2 is not None:
            parts["nsp"] = F.cross_entropy(logits.next_P2.float(), next_P)
        weight = dict(zip(("stp", "tc", "nsp"), self.weights, strict=True))
        total = sum(weight[name] * part for name, part in parts.items())
        return {"loss": total, **{name: part.detach() for name, part in parts.items()}}


class Tagger(nn.Module):
    """A plain rival that reads the whole document: a bidirectional GRU over sentence vectors.

    Args:
        width: Of a sentence's vector.
        hidden: Of the GRU in each direction.
        classes: 0 for none.
        dropout: In training.
        generator: Draws the weights.

    Shape:
        x_BLD, lengths_B -> same_BG2 (pairs of neighbours), classes_BLC or None

    Example:
        >>> tagger = Tagger(8, 4, 3, 0.0, torch.Generator())
        >>> same, classes = tagger(torch.zeros(2, 5, 8), torch.tensor([5, 3]))
        >>> same.shape, classes.shape
        (torch.Size([2, 4, 2]), torch.Size([2, 5, 3]))
    """

    def __init__(self, width, hidden, classes, dropout, generator) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.same = nn.Linear(4 * hidden, 2)
        self.tc = nn.Linear(2 * hidden, classes) if classes else None
        initialise(self, generator, std=(2 * hidden) ** -0.5)
        for parameter in self.gru.parameters():
            if not parameter.is_meta:
                with torch.no_grad():
                    parameter.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator)

    def forward(self, x_BLD: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return logits for the gaps and for the units of documents."""
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(x_BLD), lengths_B.cpu(), batch_first=True, enforce_sorted=False
        )
        h_BLH, _ = nn.utils.rnn.pad_packed_sequence(
            self.gru(packed)[0], batch_first=True, total_length=x_BLD.shape[1]
        )
        h_BLH = self.dropout(h_BLH)
        same_BG2 = self.same(torch.cat([h_BLH[:, :-1], h_BLH[:, 1:]], dim=-1))
        return same_BG2, None if self.tc is None else self.tc(h_BLH)

"""Expert layers: copies of a feed-forward part, one of which (or a few) treats each token.

Legend: B rows, L tokens, N tokens of all rows, D width, E experts, K experts of a token.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput

_FEED_FORWARD = re.compile(
    r"(?:^|\.)layers?\.(?P<layer>\d+)\.(?:feed_forward|mlp|intermediate|output\.dense)$"
)


class Route:
    """What expert layers need to know about a batch besides its states; shared by all layers.

    Args of `batch`:
        domains: Expert of each row, [B], or of each token, [B, L]; enforced routing needs it.
        mask_BL: Real tokens; learned routing balances over these (all, when not given).

    Example:
        >>> route = Route()
        >>> with route.batch(domains=torch.tensor([0, 1])):
        ...     route.domains.tolist()
        [0, 1]
    """

    def __init__(self) -> None:
        self.domains: Tensor | None = None
        self.mask_BL: Tensor | None = None
        self._imbalances: list[Tensor] = []

    @contextmanager
    def batch(
        self, *, domains: Tensor | None = None, mask_BL: Tensor | None = None
    ) -> Iterator[None]:
        """Hold these for the forward passes inside."""
        before = self.domains, self.mask_BL
        self.domains, self.mask_BL = domains, mask_BL
        try:
            yield
        finally:
            self.domains, self.mask_BL = before

    def __deepcopy__(self, memo: dict[int, object]) -> Route:
        return self  # a copy of a model is still told of its batches through the same route

    def note(self, imbalance: Tensor) -> None:
        """Keep a layer's imbalance until `imbalance` takes it."""
        self._imbalances.append(imbalance)

    def imbalance(self) -> Tensor:
        """Return the mean imbalance of all learned layers since the last call, to add to the loss.

        Passes without gradient do not count.

        Shape:
            -> scalar, 1 when the load is even.

        Raises:
            BadInput: No learned layer has run.
        """
        if not self._imbalances:
            raise BadInput("no layer with learned routing has run since the last call")
        mean = torch.stack(self._imbalances).mean()
        self._imbalances.clear()
        return mean


class EnforcedExperts(nn.Module):
    """One expert for each domain; the caller says which domain a row belongs to.

    Every expert starts as an exact copy of the dense part, so nothing changes before training.
    Tokens are grouped by expert, so the cost is that of the dense part (and with one domain in the
    batch there is no grouping at all).

    Args:
        dense: The part to copy: states to states, token by token.
        count: E.
        route: Told the domains of each batch.

    Shape:
        x_BLD -> x_BLD (or what width `dense` gives).

    Source:
        Contrastive learning and mixture of experts (arXiv 2401.15713).

    Example:
        >>> route = Route()
        >>> experts = EnforcedExperts(nn.Linear(4, 4), 3, route)
        >>> with route.batch(domains=torch.tensor([2, 0])):
        ...     experts(torch.zeros(2, 5, 4)).shape
        torch.Size([2, 5, 4])
    """

    def __init__(self, dense: nn.Module, count: int, route: Route) -> None:
        super().__init__()
        self.experts = _copies(dense, count)
        self.route = route

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Send each token through the expert of its domain.

        Raises:
            BadInput: No domains were given, they do not fit, or one has no expert.
        """
        domains_N = self._domains(x_BLD)
        first = int(domains_N[0].item()) if len(domains_N) else 0
        if bool((domains_N == first).all()):
            only: Tensor = self.experts[first](x_BLD)
            return only
        y_ND = dispatch(self.experts, x_BLD.flatten(0, 1), domains_N)
        return torch.unflatten(y_ND, 0, x_BLD.shape[:2])

    def _domains(self, x_BLD: Tensor) -> Tensor:
        domains = self.route.domains
        if domains is None:
            raise BadInput(
                "enforced routing needs the domain of each row",
                hint="run the encoder inside `with route.batch(domains=...)`",
            )
        if domains.shape not in (x_BLD.shape[:1], x_BLD.shape[:2]):
            raise BadInput(
                "one domain for each row or token",
                received=tuple(domains.shape),
                hint=f"{tuple(x_BLD.shape[:1])} or {tuple(x_BLD.shape[:2])}",
            )
        if bool(((domains < 0) | (domains >= len(self.experts))).any()):
            raise BadInput(
                "a domain has no expert",
                received=torch.unique(domains).tolist(),
                hint=f"numbers from 0 to {len(self.experts) - 1}",
            )
        wide = domains if domains.dim() == 2 else domains[:, None].expand(x_BLD.shape[:2])
        return wide.flatten()


class LearnedExperts(nn.Module):
    """A router picks the experts of each token and mixes what they give.

    The weights of the chosen experts are renormalised, so copies of a dense part give exactly what
    it gives. The layer notes its imbalance in `route`; add `route.imbalance()` to the loss, else
    one expert tends to take all.

    Args:
        dense: The part to copy.
        count: E.
        route: Told the mask of each batch, if padding shall not count; collects the imbalance.
        width: D, of the router's input.
        generator: Draws the router.
        top: K.

    Shape:
        x_BLD -> x_BLD.

    Source:
        Top-k mixture: arXiv 1701.06538, section 2.1; balance: Switch Transformers (arXiv
        2101.03961), equation 4.

    Example:
        >>> route = Route()
        >>> layer = LearnedExperts(nn.Linear(4, 4), 3, route, 4, torch.Generator().manual_seed(1))
        >>> layer(torch.zeros(2, 5, 4)).shape, route.imbalance().shape
        (torch.Size([2, 5, 4]), torch.Size([]))
    """

    def __init__(
        self,
        dense: nn.Module,
        count: int,
        route: Route,
        width: int,
        generator: torch.Generator,
        top: int = 1,
    ) -> None:
        super().__init__()
        if not 1 <= top <= count:
            raise BadInput("a token's experts", received=top, hint=f"a number from 1 to {count}")
        self.experts = _copies(dense, count)
        self.route = route
        self.top = top
        self.router = nn.Linear(width, count, bias=False)
        if not self.router.weight.is_meta:
            with torch.no_grad():
                self.router.weight.normal_(0.0, 0.02, generator=generator)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Mix, for each token, the outputs of its experts."""
        x_ND = x_BLD.flatten(0, 1)
        shares_NE = self.router(x_ND).float().softmax(dim=-1)
        weights_NK, chosen_NK = shares_NE.topk(self.top, dim=-1)
        weights_NK = weights_NK / weights_NK.sum(dim=-1, keepdim=True)
        if shares_NE.requires_grad:
            self.route.note(imbalance(shares_NE, chosen_NK, self.route.mask_BL))
        each = [dispatch(self.experts, x_ND, chosen_N) for chosen_N in chosen_NK.unbind(dim=1)]
        y_NKD = torch.stack(each, dim=1)
        if self.top == 1:
            # A weight of 1 would leave the router without gradient: pass the share's through.
            share_N1 = shares_NE.gather(1, chosen_NK)
            weights_NK = weights_NK + (share_N1 - share_N1.detach())
        y_ND = (weights_NK[:, :, None].to(y_NKD.dtype) * y_NKD).sum(dim=1)
        return torch.unflatten(y_ND, 0, x_BLD.shape[:2])


def dispatch(experts: nn.ModuleList, x_ND: Tensor, chosen_N: Tensor) -> Tensor:
    """Send each row through one expert: gather by expert, run, put back.

    Experts without rows are not run.

    Shape:
        x_ND, chosen_N (0 to E - 1) -> one row each, in the order given.
    """
    order_N = chosen_N.argsort(stable=True)
    counts = torch.bincount(chosen_N, minlength=len(experts)).tolist()
    groups = torch.split(x_ND[order_N], counts)
    done = [expert(rows) for expert, rows in zip(experts, groups, strict=True) if len(rows)]
    if not done:
        return x_ND
    return torch.cat(done)[order_N.argsort()]


def imbalance(shares_NE: Tensor, chosen_NK: Tensor, mask_BL: Tensor | None = None) -> Tensor:
    """Return E sum_e (part of the choices that fell on e) (mean share of e), over real tokens.

    Shape:
        -> scalar: 1 when even, E when one expert takes all. Differentiable through the shares.

    Source:
        Switch Transformers (arXiv 2101.03961), equation 4, for K choices.

    Example:
        >>> imbalance(torch.eye(2), torch.tensor([[0], [1]])).item()
        1.0
    """
    count = shares_NE.shape[1]
    real_N = shares_NE.new_ones(len(shares_NE))
    if mask_BL is not None:
        real_N = mask_BL.flatten().to(shares_NE.dtype)
    total = real_N.sum().clamp_min(1.0)
    share_E = (shares_NE * real_N[:, None]).sum(dim=0) / total
    picks_NKE = nn.functional.one_hot(chosen_NK, count).to(shares_NE.dtype)
    picked_E = (picks_NKE.mean(dim=1) * real_N[:, None]).sum(dim=0) / total
    return count * (share_E * picked_E).sum()


def put_experts(model: nn.Module, paths: Sequence[str], count: int, route: Route) -> None:
    """Replace parts of a model by experts with enforced routing, in place.

    Args:
        model: Any module.
        paths: Names of its parts, see `feed_forward_paths`.
        count: Experts.
        route: Shared by all of them.

    Raises:
        BadInput: The model has no such part.
    """
    for path in paths:
        try:
            dense = model.get_submodule(path)
        except AttributeError:
            raise BadInput("the model has no such part", received=path) from None
        model.set_submodule(path, EnforcedExperts(dense, count, route))


def feed_forward_paths(model: nn.Module, layers: Sequence[int] | None = None) -> tuple[str, ...]:
    """Return the names of the feed-forward parts of an encoder's layers.

    BERT and MPNet hold it as two linear parts, which take the same route, so that the normalisation
    between layers stays shared; ours and ModernBERT hold it as one.

    Args:
        model: An encoder of this package, or one of the transformers library.
        layers: Which layers; None for all.

    Raises:
        BadInput: None were found.

    Example:
        >>> from broadsheet.nn.transformer import Transformer, TransformerShape
        >>> shape = TransformerShape(vocab=9, width=4, depth=2, heads=2, hidden=8, max_tokens=6)
        >>> feed_forward_paths(Transformer(shape, torch.Generator()))
        ('layers.0.feed_forward', 'layers.1.feed_forward')
    """
    found = []
    for name, _ in model.named_modules():
        match = _FEED_FORWARD.search(name)
        if match and (layers is None or int(match["layer"]) in layers):
            found.append(name)
    if not found:
        raise BadInput("no feed-forward parts were found", received=type(model).__name__)
    return tuple(found)


def _copies(dense: nn.Module, count: int) -> nn.ModuleList:
    if count < 1:
        raise BadInput("there must be one expert or more", received=count)
    return nn.ModuleList(copy.deepcopy(dense) for _ in range(count))

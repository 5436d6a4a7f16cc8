"""A model as a fleet serves it: how long GPUs work for its tokens, in which replicas, at which prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from breakeven.errors import InputError
from breakeven.serving.class_work import ClassWork
from breakeven.serving.estimate import Estimate
from breakeven.serving.fleet.latency_curve import LatencyCurve

ONE_POOL = "pool"


@dataclass(frozen=True)
class RequestShape:
    """An average request, for counting and for waiting.

    `tokens` by class as in `TOKEN_CLASSES`; `at_once` requests one replica serves side by side at the target;
    `arrival_variation` and `service_variation` are squared coefficients of variation: 1 for arrivals at
    random (Poisson), and of the time a request is served, which follows the spread of output lengths.
    """

    tokens: tuple[float, float, float]
    at_once: float | None = None
    arrival_variation: float = 1.0
    service_variation: float = 1.0


@dataclass(frozen=True)
class ServedModel:
    """One model of a fleet.

    `gpus_per_replica` GPUs serve together and start or stop as one. Where prefill and decode have GPUs of
    their own, `groups` says of each kind how many GPUs start as one and which share of the work they do;
    replicas are then counted GPU by GPU (`gpus_per_replica` is 1). Models of one `pool` share its GPUs.
    `prices_per_mtok` is what tokens are sold for, by class as in `TOKEN_CLASSES`; None where nothing is
    known.
    """

    name: str
    work: ClassWork
    gpus_per_replica: int = 1
    pool: str = ONE_POOL
    prices_per_mtok: tuple[float, float, float] | None = None
    request: RequestShape | None = None
    curve: LatencyCurve | None = None
    groups: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if self.gpus_per_replica < 1:
            raise InputError(
                f"{self.name} has {self.gpus_per_replica} GPUs per replica",
                remedy="a replica has at least one",
            )
        if not any(
            one.value > 0 for one in (self.work.uncached_input, self.work.cached_input, self.work.output)
        ):
            raise InputError(
                f"no token of {self.name} takes any GPU time",
                cause="all GPU-seconds are zero",
                remedy="give GPU-seconds per million tokens",
            )

    @property
    def replica_groups(self) -> tuple[tuple[int, float], ...]:
        """GPUs that start as one and their share of the work, for each kind of them."""
        return self.groups or ((self.gpus_per_replica, 1.0),)

    @property
    def units(self) -> int:
        """How many counted replicas one whole replica of every kind is: 1 unless they are counted by GPU."""
        return sum(gpus for gpus, _ in self.replica_groups) // self.gpus_per_replica

    @property
    def request_gpu_seconds(self) -> float | None:
        """GPU-seconds of an average request, where one is known."""
        return None if self.request is None else self.work.gpu_seconds(*self.request.tokens)

    def at(self, bound: str) -> ServedModel:
        """The same model as if the `low` or the `high` bound of all its work were the truth."""

        def known(one: Estimate) -> Estimate:
            return Estimate.exact(getattr(one, bound))

        work = self.work
        return replace(
            self, work=ClassWork(known(work.uncached_input), known(work.cached_input), known(work.output))
        )


def works(models: Sequence[ServedModel]) -> list[ClassWork]:
    """The work of each model."""
    return [model.work for model in models]

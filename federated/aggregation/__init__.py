"""How the server puts many noisy gradients together and steps. Numbers in, numbers out; nothing here knows a record."""

from federated.aggregation.optimizers import ServerOptimizer, optimizer_named
from federated.aggregation.rule import Aggregate, Rule, Update
from federated.aggregation.rules import rule_named
from federated.aggregation.weights import Weights, weighted_mean

__all__ = [
    "Aggregate",
    "Rule",
    "ServerOptimizer",
    "Update",
    "Weights",
    "optimizer_named",
    "rule_named",
    "weighted_mean",
]

"""Secure aggregation: the server learns the weighted sum of the sites' updates and none of them alone.

SecAgg+ (Bell et al. 2020, CCS) on a complete graph, which for up to 20 sites is the protocol of Bonawitz et al. 2017
(CCS, figure 4) with all its parts against an active server. Pure data: nothing here knows a network, a record or torch.
"""

from federated.secagg.opened import Opened
from federated.secagg.quantise import Quantiser, Total
from federated.secagg.server import SecureSum
from federated.secagg.session import Session, known_keys
from federated.secagg.site import SecureSite
from federated.secagg.state import SiteState

__all__ = [
    "Opened",
    "Quantiser",
    "SecureSite",
    "SecureSum",
    "Session",
    "SiteState",
    "Total",
    "known_keys",
]

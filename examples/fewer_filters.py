"""Which machine would suit a pruned network? Organisations made in Python, as many multipliers each."""

import cnvlutin2
from cnvlutin2.organisation import with_overrides

base = cnvlutin2.preset("cnv2-weights")
organisations = [
    with_overrides(
        base, {"name": f"{filters} filters a tile", "tiles": 64 // filters, "filters_per_tile": filters, "lanes": 8, "brick": 8}
    )
    for filters in (1, 4, 16, 64)
]
(network,) = cnvlutin2.simulate("digits-pruned", organisations=organisations).networks
for organisation in organisations:
    slots = network.slots(organisation.name)
    waits = slots["filter_sync"] / sum(slots.values())
    print(f"{organisation.name:19} {network.speedup(organisation.name):.2f}x, {waits:.0%} of the slots wait for other filters")

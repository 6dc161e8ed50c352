"""The bundled pruned network on three organisations: cycles, speed-ups, and where the cycles go."""

import cnvlutin2

results = cnvlutin2.simulate("digits-pruned", organisations="dadiannao,cnv,cnv2-weights")
(network,) = results.networks

for arch in results.organisations:
    slots = network.slots(arch)
    useful = slots["effectual"] / (sum(slots.values()) - slots["unused_filters"])
    both = f"{network.speedup(arch):.2f}x, {network.speedup_with_waiting(arch):.2f}x with waiting"
    print(f"{arch:13} {network.image_cycles(arch).mean():8,.0f} cycles an image, {both}", end="")
    print(f", {useful:5.1%} of the multipliers that have a filter do useful work")

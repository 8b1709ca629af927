"""`python -m gateway.simulation …`: the same as `gateway simulate …`, without loading the gateway."""

from gateway.simulation.commands import simulate

if __name__ == "__main__":
    simulate()

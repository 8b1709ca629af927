"""`python -m tests.contract.refresh` writes the examples and golden files anew; review what changed as a diff."""

from gateway.corpus import find_stale
from tests.contract.corpus import ROOT, all_files, committed


def main() -> None:
    for stale in find_stale(all_files(), committed()):
        stale.write()
        print(f"{stale.wrong}: {stale.file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

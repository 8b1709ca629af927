"""`python -m tests.contract.refresh` writes the examples and golden files anew; review what changed as a diff."""

from tests.contract.corpus import ROOT, all_files, committed


def main() -> None:
    files = all_files()
    for stale in sorted(committed() - set(files)):
        stale.unlink()
        print(f"removed {stale.relative_to(ROOT)}")
    for path, text in files.items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"written {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

"""Make the lecture's pages: ``python examples/lecture/make.py [section numbers]``.

Writes for each section ``docs/lecture/NN_name.md``, its pictures, and the pictures' data
``docs/lecture/NN_name.json``; then the first page, ``docs/lecture.md``.
"""

import argparse
import json

from _pages import DOCS, contents, make, plain, sections


def compact(pictures):
    """Pictures' data as JSON, an artist on each line."""
    lines = []
    for name, picture in pictures.items():
        axes = [
            json.dumps({k: v for k, v in ax.items() if k != "artists"}, ensure_ascii=False)[:-1]
            + ', "artists": [\n'
            + ",\n".join(json.dumps(a, ensure_ascii=False) for a in ax["artists"])
            + "\n]}"
            for ax in picture["axes"]
        ]
        head = json.dumps({k: v for k, v in picture.items() if k != "axes"}, ensure_ascii=False)
        lines.append(f'{json.dumps(name)}: {head[:-1]}, "axes": [\n' + ",\n".join(axes) + "\n]}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write(script):
    """Make one section's page, data and pictures."""
    folder = DOCS / "lecture"
    for suffix in ("png", "html"):
        for old in folder.glob(f"{script.stem[:2]}_*.{suffix}"):
            old.unlink()
    page, pictures, _ = make(script, folder)
    (folder / f"{script.stem}.md").write_text(plain(page), encoding="utf-8")
    (folder / f"{script.stem}.json").write_text(compact(pictures), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, help="sections; all by default")
    numbers = parser.parse_args().numbers
    for script in sections():
        if not numbers or int(script.name[:2]) in numbers:
            write(script)
            print(script.stem)
    (DOCS / "lecture.md").write_text(plain(contents()), encoding="utf-8")

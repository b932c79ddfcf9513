"""Puts the results between the markers of docs/performance.md, the picture beside it, and leaves the rest as it is."""
from . import aims, picture, report

BEGIN = "<!-- results: written by bench/run.sh --update-docs -->"
END = "<!-- end of results -->"


def replace_results(document, markdown):
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the lines {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n\n{markdown.strip()}\n\n{END}{after}"


def update(folder, results):
    page = folder / "performance.md"
    page.write_text(replace_results(page.read_text(), report.whole_markdown(results)))
    (folder / "images" / "performance.svg").write_text(picture.draw(aims.collect(results)))

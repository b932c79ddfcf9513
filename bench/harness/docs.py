"""Puts the results between the markers of docs/performance.md and leaves the rest as it is."""
BEGIN = "<!-- results: written by bench/run.sh --update-docs -->"
END = "<!-- end of results -->"


def replace_results(document, markdown):
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the lines {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n\n{markdown.strip()}\n\n{END}{after}"


def update(path, markdown):
    path.write_text(replace_results(path.read_text(), markdown))

"""The pages of `rerank eval` and `rerank compare` in Chromium: their table sorts, and they fit a phone."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.running import HANG_S, ROOT, forked

COLLECTION = ROOT / "sample_data" / "collection"
QRELS = COLLECTION / "qrels" / "test.tsv"
RUN = COLLECTION / "first-stage.run"
LONG = "x" * 500
SAME, LAST = [0, 1, 2], [1, 2, 0]


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no chromium on the path")
    return found


PROBE = """
<script>
const table = document.querySelector("table.sortable"), heads = table.tHead.rows[0].cells, began = performance.now();
const column = n => [...table.tBodies[0].rows].map(row => parseFloat(row.cells[n].textContent.replace("−", "-")));
const last = heads.length - 1, sorted = values => values.every((v, i) => !i || values[i - 1] <= v);
heads[last].firstElementChild.click();
const down = sorted(column(last).reverse()), rows = table.tBodies[0].rows.length;
heads[last].firstElementChild.click();
const up = sorted(column(last)), ms = Math.round(performance.now() - began);
document.querySelector(".scroll").scrollTop = 1e9;
document.querySelectorAll("details").forEach(each => each.open = true);
const found = {
  down, up, rows, ms,
  aria: heads[last].getAttribute("aria-sort"),
  details: document.querySelectorAll("details").length,
  scrolled: document.querySelector(".scroll").scrollTop,
  focusable: heads[last].firstElementChild.tabIndex,
};
document.body.innerHTML = "<pre>" + JSON.stringify(found) + "</pre>";
</script>
"""


def opened(page: Path) -> dict:
    """What a browser finds on a page after sorting its table twice."""
    probe = page.with_name("probe.html")
    probe.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=True)
    return json.loads(re.search(r"<pre>(.*?)</pre>", done.stdout).group(1))


@pytest.mark.slow
def test_a_page_sorts_and_scrolls_in_a_browser(ranked: Path, tmp_path: Path) -> None:
    browser()
    done = forked("compare", RUN, ranked, "--qrels", QRELS, "--html", tmp_path / "page.html")
    assert done.code == 0, done.said
    found = opened(tmp_path / "page.html")
    print(found)
    assert found["down"]
    assert found["up"]
    assert (found["rows"], found["details"], found["aria"], found["focusable"]) == (8, 8, "ascending", 0)


def page_of(folder: Path, *command: str | Path) -> str:
    done = forked(*command, "--html", folder / "page.html", cwd=folder)
    assert done.code == 0, done.said
    return (folder / "page.html").read_text(encoding="utf-8")


def ranked_records(path: Path, orders: list[list[int]], query: str) -> None:
    """A record with a long id for each order of candidates, of which the first of the input is relevant."""
    lines = []
    for number, order in enumerate(orders):
        candidates = [
            {"id": f"{LONG}{k}", "text": f"{query} {k}", "index": k, "logit": -place} for place, k in enumerate(order)
        ]
        lines.append(json.dumps({"id": f"{LONG}{number}", "query": f"{query} {number}", "candidates": candidates}))
    path.write_text("\n".join(lines))


WIDTHS = """
<script>
addEventListener("load", () => {
const found = [...document.querySelectorAll("iframe")].map(frame => {
  const root = frame.contentDocument.documentElement;
  return [root.scrollWidth, root.clientWidth, frame.contentWindow.matchMedia("(max-width: 46rem)").matches];
});
document.body.innerHTML = "<pre>" + JSON.stringify(found) + "</pre>";
});
</script>
"""


def widths(folder: Path, pages: list[str], width: int) -> list[tuple[int, int, bool]]:
    """For each page in a frame of this width: the widths of its content and of the window, and if it is narrow."""
    frames = (f'<iframe width="{width}" height="800" srcdoc="{html.escape(page)}"></iframe>' for page in pages)
    probe = folder / "probe.html"
    probe.write_text(f"<body>{''.join(frames)}{WIDTHS}</body>", "utf-8")
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=True)
    return [tuple(each) for each in json.loads(re.search(r"<pre>(.*?)</pre>", done.stdout).group(1))]


@pytest.mark.slow
def test_no_page_is_wider_than_a_phone(tmp_path: Path) -> None:
    browser()
    orders = [LAST] * 3 + [SAME]
    for name in ("a", "n" * 200):
        ranked_records(tmp_path / name, orders, LONG)
    ranked_records(tmp_path / "c", orders[::-1], "كيف يغلي الماء 高海拔地区")
    (tmp_path / "qrels").write_text("".join(f"{LONG}{number} 0 {LONG}0 1\n" for number in range(4)))
    commands: list[tuple[str | Path, ...]] = [
        ("eval", "n" * 200, "--qrels", "qrels"),
        ("eval", "a", "n" * 200, "--before", "c", "--qrels", "qrels"),
        ("eval", RUN, "--qrels", QRELS),
        ("compare", "c", "n" * 200, "--qrels", "qrels"),
        ("compare", "n" * 200, "c", "a"),
        ("compare", "n" * 200, "c", "a", "--qrels", "qrels"),
    ]
    pages = [page_of(tmp_path, *command) for command in commands]
    opened = [page.replace("<details", "<details open") for page in pages]
    for content, window, is_narrow in widths(tmp_path, [*pages, *opened], 390):
        assert is_narrow
        assert content <= window <= 390
    for content, window, is_narrow in widths(tmp_path, opened, 1280):
        assert not is_narrow
        assert content <= window

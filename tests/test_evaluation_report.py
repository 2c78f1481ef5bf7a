"""The evaluation's page: what it marks, what it filters, and that no text of a note can act on it or on a reader."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from clinical.patient import Complaint, DrugUse, Patient, to_json
from evaluation_stage_a.comparison import compare
from evaluation_stage_a.examples import Example
from evaluation_stage_a.figures import summarise
from evaluation_stage_a.page import note_views, write_html
from evaluation_stage_a.passages import around, findings, pieces, word_diff
from evaluation_stage_a.screening import score_all
from utils.generation import Generated

NOTE = "A 60-year-old man with cough for 3 days. Denies fever. Takes lisinopril 10 mg daily."
RIGHT, WRONG = "A 60-year-old man takes lisinopril 10 mg daily.", "A 60-year-old man takes lisinopril 40 mg daily."
INVENTED = "A 60-year-old man with cough takes warfarin."
HOSTILE = (
    "</div></article></main><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
    "<style>*{display:none}</style>\"'><svg onload=document.title='ran'> {{ 7 * 7 }} \x1b[2J \u202e <!-- "
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with")


def examples(count):
    return [Example(f"note-{number}", f"{NOTE} {number} visits.", RIGHT) for number in range(count)]


def scored(cases, texts):
    return score_all(cases, [Generated(text, "eos", 50, 9) for text in texts])


def write(path, cases, texts, earlier=None):
    """The report of these texts, of which ``earlier`` stood there before."""
    results = scored(cases, texts)
    figures, before = summarise(results), None
    if earlier is not None:
        before = scored(cases, earlier)
        figures["comparison"] = compare(before, results)
    write_html(path, {"Summaries of": f"model {HOSTILE}"}, figures, results, before)
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Four notes: fixed, broken, wrong both times (dose, medication), never wrong; and a hostile one."""
    path = tmp_path_factory.mktemp("report") / "evaluation_report.html"
    cases = examples(5)
    cases[4] = replace(cases[4], example_id=HOSTILE, clinical_note=NOTE + HOSTILE, ground_truth=HOSTILE + RIGHT)
    before = [WRONG, RIGHT, WRONG, RIGHT, HOSTILE + WRONG]
    after = [RIGHT, WRONG, INVENTED, RIGHT, HOSTILE + WRONG + " " + HOSTILE]
    write(path, cases, after, before)
    return path


def test_pieces_are_the_text_again_whatever_lies_over_each_other():
    text = "cough, fever, 40 mg"
    one, two, three = findings(
        text,
        text,
        [],
        [
            {"span": [start, end], "text": "", "type": "dose", "verdict": verdict}
            for start, end, verdict in ((0, 5, "invented"), (7, 12, "wrong"), (14, 19, "wrong"))
        ],
    )
    cut = pieces(text, [(0, 5, one), (3, 12, two), (3, 5, three)])
    assert "".join(piece.text for piece in cut) == text
    assert [(piece.text, len(piece.findings), len(piece.begins)) for piece in cut] == [
        ("cou", 1, 1),
        ("gh", 3, 2),
        (", fever", 1, 0),
        (", 40 mg", 0, 0),
    ]
    assert [piece.severe for piece in cut] == [False, True, True, False]
    assert [piece.text for piece in pieces("", [])] == []


def test_what_both_judges_find_in_one_place_is_one_finding():
    flag = {"span": [3, 8], "type": "dose", "verdict": "unsupported", "evidence_span": [0, 2], "evidence": "it"}
    error = {"span": [5, 9], "type": "role exchange", "verdict": "wrong", "reason": "it is the dose of another"}
    [both, other] = findings("it is", "a b 40 mg c", [flag, {**flag, "span": [9, 11]}], [error], prefix="A")
    assert (both.label, both.start, both.end, both.text) == ("A1", 3, 9, " 40 mg")
    assert (both.types, both.judges) == (("dose", "role exchange"), ("screen", "oracle"))
    assert (both.severe, both.evidence, both.reason) == (True, (0, 2), "it is the dose of another")
    assert (other.label, other.judges, other.severe) == ("A2", ("screen",), False)


def test_evidence_is_shown_in_whole_words_of_its_own_line():
    text = "History: none.\nDiagnosis: Likely gout flare. Testing excluded cellulitis of the left lower leg.\nPlan"
    start = text.index("gout")
    assert around(text, start, start + 4) == "Diagnosis: Likely gout flare. Testing excluded"
    assert around("gout", 0, 4) == "gout"


def test_a_diff_gives_both_texts_again():
    before, after = "A man takes 10 mg daily.", "A man takes 40 mg of  it daily."
    diff = word_diff(before, after)
    assert "".join(text for kind, text in diff if kind != "inserted") == before
    assert "".join(text for kind, text in diff if kind != "removed") == after
    assert ("removed", "10") in diff


def test_notes_worth_reading_come_first_with_both_summaries():
    cases = examples(4)
    frames = {
        "before": scored(cases, [RIGHT, WRONG, WRONG, RIGHT]),
        "after": scored(cases, [RIGHT, RIGHT, WRONG, INVENTED]),
    }
    views = note_views(frames)
    assert [(view.name, view.outcome) for view in views] == [
        ("note-3", "broken"),
        ("note-2", "both"),
        ("note-1", "fixed"),
        ("note-0", "neither"),
    ]
    assert [summary.when for summary in views[0].summaries] == ["before", "after"]
    assert views[0].types == {"medication"}
    assert views[1].diff == []
    assert views[0].summaries[1].left_out == ["lisinopril"]


def test_where_the_facts_are_known_the_oracle_says_what_is_wrong(tmp_path):
    lisinopril = DrugUse("lisinopril", "10 mg", frequency="daily")
    patient = Patient(60, "male", "cardiology", "clinic", Complaint("cough"), drugs=(lisinopril,))
    cases = [replace(case, evidence_stats=to_json(patient)) for case in examples(2)]
    page = write(tmp_path / "page.html", cases, [RIGHT, WRONG])
    assert "By the known facts, not enough notes to tell" in page
    assert "the dose is 10 mg" in page
    assert "(screen, oracle)" in page
    assert "Left out: complaint." in page


@pytest.mark.parametrize("texts", [["", ""], ["cough", ""], [".", RIGHT]])
@pytest.mark.parametrize("reference", ["", RIGHT])
def test_nothing_to_draw_is_no_error(tmp_path, texts, reference):
    cases = [replace(case, ground_truth=reference) for case in examples(2)]
    assert "(nothing)" in write(tmp_path / "one.html", cases, texts) or "" not in texts
    assert "Evaluation report" in write(tmp_path / "two.html", cases, texts, [WRONG, ""])


def test_the_page_is_private_needs_nothing_else_and_its_links_lead_somewhere(page):
    html = page.read_text("utf-8")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert set(re.findall(r"https?://[^\"' ]+", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }  # names, not addresses
    assert "<script" not in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'class="label" href="#([^"]+)"', html)) <= set(ids)


def test_a_screen_is_called_a_screen(page):
    html = page.read_text("utf-8")
    assert "By the screen, " in html
    assert "It is not the truth" in html
    assert "Not marked is not the same as right." in html
    assert "No longer flagged" in html
    assert ">Wrong" not in html


def test_the_same_results_give_the_same_bytes(tmp_path):
    pages = [write(tmp_path / f"{name}.html", examples(2), [RIGHT, WRONG], [WRONG, WRONG]) for name in "ab"]
    assert pages[0] == pages[1]


def dom(page: Path, folder: Path) -> str:
    """The page as a browser has built it, after its scripts, if any may run."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--dump-dom"]
    command = [str(CHROMIUM), *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


PROBE = """<script>
const shown = () => [...document.querySelectorAll("article.note")]
    .filter(note => getComputedStyle(note).display !== "none").length;
const found = {all: shown(), articles: document.querySelectorAll("article.note").length,
    scripts: document.scripts.length, pictures: document.images.length, title: document.title,
    wide: document.documentElement.scrollWidth > innerWidth, chosen: {}};
const label = input => document.querySelector(`label[for="${input.id}"]`).textContent;
for (const input of document.querySelectorAll(".filter input")) {
  input.checked = true; found.chosen[label(input)] = shown();
  document.getElementById(input.name + "-all").checked = true;
}
const mark = document.querySelector("a.label"); location.hash = mark.getAttribute("href");
found.target = document.querySelector(":target").tagName;
document.body.textContent = JSON.stringify(found);
</script>"""


@in_a_browser
def test_in_a_browser_the_filters_hide_notes_and_hostile_text_is_text(page, tmp_path):
    html = page.read_text("utf-8")
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', html)
    assert policy
    probed = tmp_path / "probed.html"
    probed.write_text(html.replace(policy[0], "").replace("</body>", f"{PROBE}</body>"), "utf-8")
    found = json.loads(re.search(r"<body>(.*)</body>", dom(probed, tmp_path / "profile"), re.DOTALL)[1])
    assert (found["articles"], found["all"]) == (5, 5)  # the hostile text closed none of them
    assert (found["scripts"], found["pictures"], found["title"]) == (1, 0, "Evaluation report")  # one script: the probe
    assert found["chosen"] == {
        **{"All 5": 5, "Newly flagged 1": 1, "Flagged both times 2": 2, "No longer flagged 1": 1, "Never flagged 1": 1},
        **{"Any type 5": 5, "dose 4": 4, "medication 1": 1},
    }
    assert found["target"] == "MARK"
    assert not found["wide"]


@in_a_browser
def test_in_a_browser_no_script_runs_even_if_one_got_in(page, tmp_path):
    html = page.read_text("utf-8")
    erase = "document.body.textContent = 'ran'"
    intruder = f'<script>{erase}</script><img src=x onerror="{erase}">'
    opened = tmp_path / "opened.html"
    opened.write_text(html.replace("</body>", f"{intruder}</body>"), "utf-8")
    built = dom(opened, tmp_path / "profile")
    assert "Evaluation report</h1>" in built
    assert built.count("<article") == 5

"""Names exchanged within a sentence keep its article, number and sex."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adversarial.operators.edits import apply_edits
from adversarial.operators.grammar import is_counted, is_plural, replace_name, sex_of, sexes_fit


@pytest.mark.parametrize(
    ("text", "old", "new", "wanted"),
    [
        ("She had a rash.", "rash", "nausea", "She had nausea."),
        ("She had a constant headache.", "headache", "palpitations", "She had constant palpitations."),
        ("A rash was seen.", "rash", "ulcer", "An ulcer was seen."),
        ("A rash led to this.", "rash", "nausea", "Nausea led to this."),
        ("A history of rash.", "rash", "nausea", "A history of nausea."),
        ("Palpitations were denied.", "Palpitations", "fever", None),
        ("There was no fever.", "fever", "chills", None),
        ("She denied fever.", "fever", "chills", "She denied chills."),
    ],
)
def test_a_name_takes_its_place(text, old, new, wanted):
    start = text.index(old)
    edit = replace_name(text, start, start + len(old), new, "condition")
    assert (apply_edits(text, [edit]) if edit else None) == wanted


@pytest.mark.parametrize(
    ("name", "plural"),
    [("palpitations", True), ("stones in the kidney", True), ("pain in the legs", False), ("diabetes", False),
     ("pruritus", False), ("loss of breath", False), ("diagnosis", False), ("chills", True), ("CVS", False)],
)  # fmt: skip
def test_number(name, plural):
    assert is_plural(name) is plural


def test_what_is_counted():
    assert is_counted("skin rash")
    assert is_counted("fracture of the hip")
    assert not is_counted("nausea")


@pytest.mark.parametrize(
    ("name", "sex"),
    [("prostate biopsy", "male"), ("vaginal bleeding", "female"), ("chest pain", ""), ("menopause", "female")],
)
def test_sex(name, sex):
    assert sex_of(name) == sex
    assert sexes_fit("A 60-year-old man.", sex) is (sex != "female")
    assert sexes_fit("No one is named.", sex)


@given(st.text(max_size=40), st.integers(0, 40), st.integers(0, 40), st.text(min_size=1, max_size=12))
def test_any_name_at_any_place_fits_the_text(text, one, two, new):
    start, end = sorted((min(one, len(text)), min(two, len(text))))
    edit = replace_name(text, start, end, new, "condition")
    if edit:
        assert new[1:] in apply_edits(text, [edit])

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide_biodiversity.checklists.names import parse_name

X = "\u00d7"


@pytest.mark.parametrize(
    ("text", "canonical", "authorship"),
    [
        ("Turdus merula Linnaeus, 1758", "Turdus merula", "Linnaeus, 1758"),
        ("Puma concolor (Linnaeus, 1771)", "Puma concolor", "(Linnaeus, 1771)"),
        ("Amanita excelsa Gonn. & Rabenh.", "Amanita excelsa", "Gonn. & Rabenh."),
        ("Felidae Fischer, 1817", "Felidae", "Fischer, 1817"),
        ("Oenanthe L.", "Oenanthe", "L."),
        ("Bacillus subtilis (Ehrenberg 1835) Cohn 1872", "Bacillus subtilis",
         "(Ehrenberg 1835) Cohn 1872"),
        ("Aus bus de Vries, 1900", "Aus bus", "de Vries, 1900"),
        ("Aus bus d'Orbigny, 1850", "Aus bus", "d'Orbigny, 1850"),
        ("Aus bus van der Hammen", "Aus bus", "van der Hammen"),
        ("Carex nigra L. f. ex Foo", "Carex nigra", "L. f. ex Foo"),
        ("Aedes (Stegomyia) aegypti (Linnaeus, 1762)", "Aedes aegypti", "(Linnaeus, 1762)"),
        ("Aedes (Stegomyia)", "Stegomyia", ""),
        ("Rosa sect. Caninae DC.", "Caninae", "DC."),
        ("Aquila chrysaetos canadensis", "Aquila chrysaetos canadensis", ""),
        ("Motacilla alba subsp. alba L.", "Motacilla alba alba", "L."),
        ("Motacilla alba L. subsp. yarrellii Gould", "Motacilla alba yarrellii", "Gould"),
        ("Abies alba Mill. f. pendula Carr.", "Abies alba pendula", "Carr."),
        ("Hieracium murorum subsp. aa var. bb Zahn", "Hieracium murorum bb", "Zahn"),
        ("Coccinella 7-punctata Linnaeus, 1758", "Coccinella 7-punctata", "Linnaeus, 1758"),
        (f"Mentha {X} piperita L.", f"Mentha {X}piperita", "L."),
        (f"Mentha {X}piperita L.", f"Mentha {X}piperita", "L."),
        ("Mentha x piperita L.", f"Mentha {X}piperita", "L."),
        (f"{X}Amelasorbus jackii Rehder", f"{X}Amelasorbus jackii", "Rehder"),
        ("x Amelasorbus jackii", f"{X}Amelasorbus jackii", ""),
        (f"Salix {X} sepulcralis nothovar. chrysocoma", f"Salix {X}sepulcralis chrysocoma", ""),
        ("Rosa 'Peace'", "Rosa 'Peace'", ""),
        ("T. merula", "T. merula", ""),
    ],
)  # fmt: skip
def test_a_name_is_taken_apart(text: str, canonical: str, authorship: str) -> None:
    found = parse_name(text)
    assert (found.canonical, found.authorship) == (canonical, authorship)
    assert found.understood
    assert not found.qualifier


@pytest.mark.parametrize(
    ("text", "certain", "qualifier"),
    [
        ("Turdus cf. merula", "Turdus", "cf."),
        ("Amanita sp. 3", "Amanita", "sp."),
        ("Amanita spp.", "Amanita", "spp."),
        ("Motacilla alba aff. yarrellii", "Motacilla alba", "aff."),
        ("Carex indet.", "Carex", "indet."),
    ],
)
def test_a_name_that_is_not_determined_says_how_far_it_is_certain(
    text: str, certain: str, qualifier: str
) -> None:
    found = parse_name(text)
    assert (found.canonical, found.qualifier) == (certain, qualifier)


@pytest.mark.parametrize(
    "text", [f"Quercus robur {X} Quercus petraea", f"Quercus robur {X} Q. petraea",
             f"Quercus robur {X} petraea"]
)  # fmt: skip
def test_a_hybrid_named_by_its_parents_is_kept_whole(text: str) -> None:
    found = parse_name(text)
    assert (found.canonical, found.is_formula) == (text, True)
    assert parse_name(text.replace(X, "x")).canonical == text


@pytest.mark.parametrize(
    "text",
    ["BOLD:AAA1234", "SH1234567.08FU", "Candidatus Phytoplasma mali", "incertae sedis",
     "Festuca rubra agg.", "Turdus merula ? what", "TURDUS MERULA", "", X],
)  # fmt: skip
def test_what_is_no_name_is_kept_whole_and_said_not_to_be_understood(text: str) -> None:
    found = parse_name(text)
    assert (found.canonical, found.understood) == (text, False)


@given(st.text(max_size=60))
def test_any_text_has_a_canonical_name_that_stays_as_it_is(text: str) -> None:
    found = parse_name(text)
    assert parse_name(found.canonical).canonical == found.canonical
    if text.strip():
        assert found.canonical

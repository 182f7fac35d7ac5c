"""15- and 18-character ids."""

import re

import pytest

from sandbox.salesforce import ids


def test_suffix_of_recorded_ids(shared_data):
    text = "".join(path.read_text() for path in shared_data("salesforce/cumulusci-cassettes").glob("TestUpsert*"))
    found = set(re.findall(r"\b00[136][0-9A-Za-z]{12}[A-Z0-5]{3}\b", text))
    real = {record_id for record_id in found if "ORGID" not in record_id and "x" not in record_id}
    assert len(real) > 50
    assert [record_id for record_id in real if ids.normalise(record_id[:15]) != record_id] == []


def test_made_ids_ascend_and_round_trip():
    made = [ids.make("001", number) for number in range(1, 5000)]
    assert made == sorted(made) and len(set(made)) == len(made)
    assert all(ids.normalise(record_id[:15]) == record_id for record_id in made)


def test_spoilt_case_is_repaired_from_the_suffix():
    record_id = ids.make("006", 1234567)
    assert ids.normalise(record_id.lower()) == record_id
    assert ids.normalise(record_id.upper()) == record_id


@pytest.mark.parametrize("bad", ["", "001", "0" * 16, "001Q2000000001!AAA", None, 15, "001Q2000000001éAAA"])
def test_what_is_no_id(bad):
    assert ids.normalise(bad) is None

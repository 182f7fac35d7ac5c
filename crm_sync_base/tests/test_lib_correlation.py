import threading

from odoo.tests import BaseCase, tagged

from ..lib import correlation
from ..lib.correlation import HEADER, headers, working_on


@tagged("post_install", "-at_install")
class TestCorrelation(BaseCase):
    def test_no_story_no_header(self):
        self.assertEqual(headers(), {})
        with working_on([None, ""]):
            self.assertEqual(headers(), {})

    def test_a_story_is_named_inside_its_block_only(self):
        with working_on(["a1"]):
            self.assertEqual(headers(), {HEADER: "a1"})
            with working_on(["b2"]):
                self.assertEqual(headers(), {HEADER: "b2"})
            self.assertEqual(headers(), {HEADER: "a1"})
        self.assertEqual(headers(), {})

    def test_it_ends_with_an_error_too(self):
        with self.assertRaises(ZeroDivisionError), working_on(["a1"]):
            raise ZeroDivisionError
        self.assertEqual(correlation.stories(), ())

    def test_a_batch_names_each_story_once(self):
        with working_on(["a", "b", "a", None]):
            self.assertEqual(headers(), {HEADER: "a,b"})

    def test_a_large_batch_stays_below_the_limit_of_headers(self):
        with working_on(f"{number:032x}" for number in range(500)):
            value = headers()[HEADER]
        self.assertLess(len(value), 2000)
        self.assertTrue(value.endswith(",+450"))

    def test_nothing_breaks_out_of_the_header(self):
        with working_on(["a\r\nX-Evil: 1", "ü,"]):
            self.assertEqual(headers(), {HEADER: "aX-Evil1,"})

    def test_threads_do_not_share_stories(self):
        seen = []
        with working_on(["a1"]):
            thread = threading.Thread(target=lambda: seen.append(headers()))
            thread.start()
            thread.join()
        self.assertEqual(seen, [{}])

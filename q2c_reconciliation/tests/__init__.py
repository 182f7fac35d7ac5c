from . import test_lib_compare
from . import test_lib_spelling
from . import test_comparison
from . import test_comparison_stripe

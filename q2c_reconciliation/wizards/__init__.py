from . import q2c_comparison_wizard

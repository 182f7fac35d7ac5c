from . import q2c_comparison
from . import q2c_comparison_line
from . import sale_order

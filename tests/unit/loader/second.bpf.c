// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The next version of the same programs. */
#define TEST_MARK 2
#include "tests/unit/loader/test_programs.h"

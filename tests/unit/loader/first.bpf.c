// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define TEST_MARK 1
#include "tests/unit/loader/test_programs.h"

#include "shared/runtime/interrupt_char.h"

/* Nobody edits a line here. */
#define mp_hal_move_cursor_back(columns) ((void)(columns))
#define mp_hal_erase_line_from_cursor(columns) ((void)(columns))

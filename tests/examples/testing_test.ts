/** The example of a test is one. */

import "../../examples/testing/orders_test.ts";

#include "counter/tree_shape.h"

#include "check.h"

int main() {
  constexpr uint32_t kItems[] = {0,   1,   3,    7,    7,    11,   21,   21,    37,    73,   149,
                                 293, 585, 1173, 2341, 4681, 4681, 8777, 17481, 34953, 69905};
  for (uint32_t order = 0; order <= 20; order++) {
    const percpu::TreeShape shape = percpu::MakeTreeShape(1u << order);
    CHECK_EQ(shape.order, order);
    CHECK_EQ(shape.items, kItems[order]);
    uint32_t sum = 0;
    for (uint32_t level = 0; level < percpu::kMaxLevels; level++) {
      sum += shape.arity_orders[level];
      if (level > 0) CHECK(shape.arity_orders[level] <= shape.arity_orders[level - 1]);
      CHECK((shape.arity_orders[level] > 0) == (level < shape.levels));
    }
    CHECK_EQ(sum, order);
  }
  CHECK_EQ(percpu::MakeTreeShape(384).order, 9);
  CHECK_EQ(percpu::MakeTreeShape((1u << 20) - 1).order, 20);
  return 0;
}

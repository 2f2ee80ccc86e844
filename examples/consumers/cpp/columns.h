// The columns of a table, as the model's metadata has them.

#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

// Columns are the names of the places of numeric, and those of categorical with the ids of their texts.
struct Columns {
  struct Category {
    std::string name;
    std::unordered_map<std::string, int64_t> ids;

    // Id returns the id of a text: 1 of an empty one, 0 of one that training had not.
    int64_t Id(const std::string& text) const;
  };

  std::vector<std::string> numeric;
  std::vector<Category> categorical;
};

// ParseColumns reads the JSON of lamina.columns, which may hold anything: it throws std::runtime_error for what it is not.
Columns ParseColumns(const std::string& json);

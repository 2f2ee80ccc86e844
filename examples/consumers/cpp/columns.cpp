#include "columns.h"

#include <functional>
#include <stdexcept>

namespace {

// Reader reads the JSON that ParseColumns takes: objects, lists and strings.
class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  // Next returns the next sign that is no blank, without taking it, or 0 at the end.
  char Next() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) at_++;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  void Take(char want) {
    if (Next() != want) throw std::runtime_error("lamina.columns: not the JSON that is expected");
    at_++;
  }

  // Each calls f for what is between open and close, with commas between.
  void Each(char open, char close, const std::function<void()>& f) {
    Take(open);
    if (Next() != close) {
      f();
      while (Next() == ',') {
        Take(',');
        f();
      }
    }
    Take(close);
  }

  std::string String() {
    Take('"');
    std::string s;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] != '\\') {
        s += text_[at_++];
        continue;
      }
      const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      at_ += 2;
      switch (c) {
        case 'n': s += '\n'; break;
        case 't': s += '\t'; break;
        case 'r': s += '\r'; break;
        case 'b': s += '\b'; break;
        case 'f': s += '\f'; break;
        case 'u': Code(s); break;
        default: s += c;
      }
    }
    Take('"');
    return s;
  }

 private:
  unsigned Hex() {
    if (at_ + 4 > text_.size()) throw std::runtime_error("lamina.columns: a text ends within a sign");
    const unsigned code = static_cast<unsigned>(std::stoul(text_.substr(at_, 4), nullptr, 16));
    at_ += 4;
    return code;
  }

  // Code appends a sign that is written as \uXXXX, as UTF-8. Lamina writes <, > and & so, and two line ends; none is a pair.
  void Code(std::string& s) {
    const unsigned c = Hex();
    if (c < 0x80) {
      s += static_cast<char>(c);
    } else if (c < 0x800) {
      s += static_cast<char>(0xC0 | (c >> 6));
      s += static_cast<char>(0x80 | (c & 0x3F));
    } else {
      s += static_cast<char>(0xE0 | (c >> 12));
      s += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
      s += static_cast<char>(0x80 | (c & 0x3F));
    }
  }

  const std::string& text_;
  size_t at_ = 0;
};

// Plain is a text as it is compared with values when none is the same: true for True, 3 for 3.0.
std::string Plain(const std::string& text) {
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (lower == "true" || lower == "false") return lower;
  const size_t point = text.find('.'), first = text[0] == '-' ? 1 : 0;
  if (point == std::string::npos || point == first || point + 1 == text.size() || text.find_first_not_of("0123456789", first) != point ||
      text.find_first_not_of('0', point + 1) != std::string::npos) {
    return text;
  }
  return text.substr(0, point);
}

}  // namespace

int64_t Columns::Category::Id(const std::string& text) const {
  if (text.empty()) return 1;
  auto at = ids.find(text);
  if (at == ids.end()) at = ids.find(Plain(text));
  return at == ids.end() ? 0 : at->second;
}

Columns ParseColumns(const std::string& json) {
  Columns columns;
  Reader in(json);
  in.Each('{', '}', [&] {
    const std::string column = in.String();
    in.Take(':');
    in.Each('[', ']', [&] {
      Columns::Category c;
      in.Each('{', '}', [&] {
        const std::string key = in.String();
        in.Take(':');
        if (key == "values") {
          std::vector<std::string> values;
          in.Each('[', ']', [&] { values.push_back(in.String()); });
          for (size_t i = 0; i < values.size(); i++) c.ids[values[i]] = static_cast<int64_t>(i) + 2;
          for (size_t i = 0; i < values.size(); i++) c.ids.try_emplace(Plain(values[i]), static_cast<int64_t>(i) + 2);
        } else if (const std::string text = in.String(); key == "name") {
          c.name = text;
        }
      });
      if (column == "numeric") columns.numeric.push_back(c.name);
      if (column == "categorical") columns.categorical.push_back(c);
    });
  });
  if (in.Next() != '\0') throw std::runtime_error("lamina.columns: something follows the JSON");
  return columns;
}

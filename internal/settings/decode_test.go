// SPDX-License-Identifier: Apache-2.0

package settings_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// menu has a field of each kind that settings can have.
type menu struct {
	At    settings.Position
	Title string            `json:"title,omitempty"`
	Open  bool              `json:"open,omitempty"`
	Seats int               `json:"seats,omitempty"`
	Soup  *dish             `json:"soup,omitempty"`
	List  dishes            `json:"list,omitempty"`
	Notes map[string]string `json:"notes,omitempty"`
	Tips  *bool             `json:"tips,omitempty"`
	Bowls map[size]int      `json:"bowls,omitempty"`
	// Secret is not set by anybody.
	Secret string           `json:"-"`
	Prices map[string]price `json:",inline"`
}

type dishes []dish

// Validate refuses two dishes of the same name, at the place of the second.
func (d *dishes) Validate() error {
	seen := make(map[string]bool)
	for _, dish := range *d {
		if seen[dish.Name] {
			return &settings.Error{Position: dish.At, Err: errors.New("again")}
		}
		seen[dish.Name] = true
	}
	return nil
}

type dish struct {
	At    settings.Position
	Name  string   `json:"name"`
	With  []string `json:"with,omitempty"`
	Vegan *bool    `json:"vegan,omitempty"`
	Size  size     `json:"size,omitempty"`
	Cents int32    `json:"cents,omitempty"`
}

// Validate refuses what nobody eats.
func (d *dish) Validate() error {
	if d.Name == "stone" {
		return errors.New("nobody eats a stone")
	}
	return nil
}

type size string

// Validate refuses sizes that are not cooked.
func (s *size) Validate() error {
	if *s != "small" && *s != "large" {
		return errors.New("allowed are small, large")
	}
	return nil
}

// price is a number of cents.
type price struct {
	At    settings.Position
	Cents int
}

func (p *price) UnmarshalText(text []byte) error {
	if _, err := fmt.Sscanf(string(text), "%dc", &p.Cents); err != nil {
		return errors.New("allowed is a price such as 20c")
	}
	return nil
}

func in(key string, line int) settings.Position {
	return settings.Position{ConfigMap: "velero/menu", Key: key, Line: line}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	yes := true
	cases := map[string]struct {
		data map[string]string
		want menu
	}{
		"no data is the zero value": {
			want: menu{At: in("", 0)},
		},
		"plain values are taken as they are, without the space around": {
			data: map[string]string{"title": "  a: [b\n", "open": "true", "seats": "-3", "tips": " true\n"},
			want: menu{At: in("", 0), Title: "a: [b", Open: true, Seats: -3, Tips: &yes},
		},
		"the keys that no field has are of the inline map": {
			data: map[string]string{"tea": "20c", "Title": "10c"},
			want: menu{At: in("", 0), Prices: map[string]price{"tea": {in("tea", 1), 20}, "Title": {in("Title", 1), 10}}},
		},
		"a document is read by the tags of its types, and knows its lines": {
			data: map[string]string{
				"soup":  "name: leek\n",
				"list":  "# today\n- name: rice\n  vegan: true\n  with: [tofu, 1.10]\n- {name: egg, size: large, cents: 150}\n",
				"notes": "a: b\nc: ''\n",
				"bowls": "small: 1\nlarge: 2",
			},
			want: menu{
				At:   in("", 0),
				Soup: &dish{At: in("soup", 1), Name: "leek"},
				List: dishes{
					{At: in("list", 2), Name: "rice", With: []string{"tofu", "1.10"}, Vegan: &yes},
					{At: in("list", 5), Name: "egg", Size: "large", Cents: 150},
				},
				Notes: map[string]string{"a": "b", "c": ""},
				Bowls: map[size]int{"small": 1, "large": 2},
			},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := settings.Decode[menu](menuMap(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func menuMap(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "menu"}, Data: data}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		data map[string]string
		want []string
	}{
		"a flag that is neither true nor false": {
			data: map[string]string{"open": "yes"},
			want: []string{`key "open", line 1: "yes": allowed is true or false`},
		},
		"YAML where a value is taken as it is, optional or not": {
			data: map[string]string{"open": "true # yes", "tips": `"true"`},
			want: []string{
				`key "open", line 1: "true # yes": allowed is true or false`,
				`key "tips", line 1: "\"true\"": allowed is true or false`,
			},
		},
		"a number with a fraction": {
			data: map[string]string{"seats": "1.5"},
			want: []string{`key "seats", line 1: "1.5": allowed is a whole number`},
		},
		"a value that its type refuses": {
			data: map[string]string{"tea": "free"},
			want: []string{`key "tea", line 1: "free": allowed is a price such as 20c`},
		},
		"a document without a value": {
			data: map[string]string{"list": "# nothing\n"},
			want: []string{`key "list", line 1: no value: leave the key out, or write one`},
		},
		"a document that is null": {
			data: map[string]string{"soup": "~"},
			want: []string{`key "soup", line 1: no value: leave the key out, or write one, or "" for the empty text`},
		},
		"what is no YAML": {
			data: map[string]string{"list": "- name: a\n  b"},
			want: []string{`key "list": yaml: line 2: could not find expected ':'`},
		},
		"two documents": {
			data: map[string]string{"soup": "name: a\n---\nname: b"},
			want: []string{`key "soup", line 2: more than one YAML document: write one`},
		},
		"an unknown key": {
			data: map[string]string{"list": "- name: a\n  taste: good"},
			want: []string{`key "list", line 2: key "taste": unknown: allowed are cents, name, size, vegan, with`},
		},
		"a key that is there twice": {
			data: map[string]string{"list": "- name: a\n  name: b", "notes": "a: b\na: c"},
			want: []string{
				`key "list", line 2: the key "name" is there twice`,
				`key "notes", line 2: the key "a" is there twice`,
			},
		},
		"a key of a map that its type refuses": {
			data: map[string]string{"bowls": "small: 1\nhuge: 2"},
			want: []string{`key "bowls", line 2: "huge": allowed are small, large`},
		},
		"a required key that is missing": {
			data: map[string]string{"list": "- name: a\n- size: small"},
			want: []string{`key "list", line 2: the key "name" is missing`},
		},
		"a map for a list": {
			data: map[string]string{"list": "name: a"},
			want: []string{`key "list", line 1: a map found: allowed is a list`},
		},
		"a list for a map": {
			data: map[string]string{"soup": "\n- name"},
			want: []string{`key "soup", line 2: a list found: allowed is a map`},
		},
		"text for a map": {
			data: map[string]string{"notes": "none"},
			want: []string{`key "notes", line 1: "none" found: allowed is a map`},
		},
		"a list for text": {
			data: map[string]string{"list": "- name: [a]"},
			want: []string{`key "list", line 1: a list found: allowed is text`},
		},
		"a map as a key": {
			data: map[string]string{"notes": "{a: b}: c"},
			want: []string{`key "notes", line 1: a map found as a key: allowed is text`},
		},
		"an anchor and an alias": {
			data: map[string]string{"list": "- &a {name: a}\n- *a"},
			want: []string{
				`key "list", line 1: YAML anchors and aliases are not read: write the value out`,
				`key "list", line 2: YAML anchors and aliases are not read: write the value out`,
			},
		},
		"a number that is too large": {
			data: map[string]string{"list": "- name: a\n  cents: 3000000000"},
			want: []string{`key "list", line 2: "3000000000": allowed is a whole number`},
		},
		"what a type's Validate refuses, text with its value": {
			data: map[string]string{"list": "- name: stone\n- name: rice\n  size: huge\n"},
			want: []string{
				`key "list", line 1: nobody eats a stone`,
				`key "list", line 3: "huge": allowed are small, large`,
			},
		},
		"what a type refuses elsewhere": {
			data: map[string]string{"list": "- name: a\n- name: b\n- name: a"},
			want: []string{`key "list", line 3: again`},
		},
		"every mistake at once, by key": {
			data: map[string]string{"seats": "many", "open": "often"},
			want: []string{
				`key "open", line 1: "often": allowed is true or false`,
				`key "seats", line 1: "many": allowed is a whole number`,
			},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := settings.Decode[menu](menuMap(test.data))
			want := "ConfigMap velero/menu, " + strings.Join(test.want, "\nConfigMap velero/menu, ")
			if diff := cmp.Diff(want, text(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(menu{}, got); diff != "" {
				t.Errorf("settings beside the error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefusesKeysAndBinaryDataWhereNoneAreAllowed(t *testing.T) {
	t.Parallel()
	configMap := menuMap(map[string]string{"size": "large"})
	configMap.BinaryData = map[string][]byte{"photo": {1}}
	_, err := settings.Decode[struct{}](configMap)
	want := `ConfigMap velero/menu, key "photo": binaryData is not read: write it as data` + "\n" +
		`ConfigMap velero/menu, key "size": unknown: no key is allowed`
	if diff := cmp.Diff(want, text(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestAMistakeIsFoundByItsType(t *testing.T) {
	t.Parallel()
	_, err := settings.Decode[menu](menuMap(map[string]string{"list": "- name: rice\n  size: huge\n"}))
	var mistake *settings.Error
	if !errors.As(err, &mistake) {
		t.Fatalf("error %v is no *settings.Error", err)
	}
	if diff := cmp.Diff(in("list", 2), mistake.Position); diff != "" {
		t.Errorf("position (-want +got):\n%s", diff)
	}
	if got, want := text(errors.Unwrap(mistake)), `"huge": allowed are small, large`; got != want {
		t.Errorf("mistake %q, want %q", got, want)
	}
}

// FuzzDecode holds that reading ends, that a value never comes with an error, and
// that what was read is read the same again.
func FuzzDecode(f *testing.F) {
	f.Add("title", "true", "- name: rice\n  vegan: true\n  with: [tofu]\n", "a: b")
	f.Add("", "", "- &a {name: a}\n- *a", "? [a]\n: b")
	f.Add("x", "yes", "---\n---", "<<: {a: b}")
	f.Fuzz(func(t *testing.T, title, open, list, notes string) {
		data := map[string]string{"title": title, "open": open, "list": list, "notes": notes}
		got, err := settings.Decode[menu](menuMap(data))
		if err != nil {
			if diff := cmp.Diff(menu{}, got); diff != "" {
				t.Errorf("settings beside the error (-want +got):\n%s", diff)
			}
			return
		}
		again, err := settings.Decode[menu](menuMap(data))
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Errorf("error %v; read again (-first +second):\n%s", err, diff)
		}
		for _, dish := range got.List {
			if dish.At.Line < 1 {
				t.Errorf("dish %q is in line %d of %q", dish.Name, dish.At.Line, list)
			}
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package storageclass_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
)

// configMap returns the ConfigMap velero/rules of the action.
func configMap(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "velero",
			Name:      "rules",
			Labels: map[string]string{
				settings.LabelPluginConfig: "",
				storageclass.Action:        "RestoreItemAction",
			},
		},
		Data: data,
	}
}

func decode(t *testing.T, data map[string]string) storageclass.Mapping {
	t.Helper()
	mapping, err := settings.Decode[storageclass.Mapping](configMap(data))
	if err != nil {
		t.Fatal(err)
	}
	return mapping
}

// converted is a Conversion without its place, in values that can be compared.
type converted struct {
	Class    string
	Modes    []corev1.PersistentVolumeAccessMode
	Capacity string
	GiB      int64
}

func convertedOf(conversion storageclass.Conversion) converted {
	got := converted{Class: string(conversion.Class), Modes: conversion.Modes()}
	if conversion.Capacity != nil {
		got.Capacity, got.GiB = conversion.Capacity.String(), conversion.Capacity.GiB()
	}
	return got
}

func TestWhatBecomesOfAClaim(t *testing.T) {
	t.Parallel()
	const rules = `
- from: ssd
  to: {class: plain}
- from: ssd
  selector: {matchLabels: {tier: db}}
  to: {class: labelled}
- from: ssd
  namespaces: [shop, bank]
  to: {class: of-namespace}
- from: ssd
  namespaces: [shop, test]
  to: {class: of-namespace-too}
- from: ssd
  names: [data]
  to: {class: of-name}
- from: ssd
  namespaces: [bank]
  names: [data]
  selector: {matchExpressions: [{key: tier, operator: In, values: [db]}]}
  to: {class: of-all}
- from: ""
  to: {class: alicloud-disk, convertToAccessModes: [ReadWriteOnce, ReadOnlyMany]}
- from: nas
  to: {accessModes: [ReadWriteMany], capacity: 20.5Gi}
`
	mapping := decode(t, map[string]string{"gp2": "alicloud-disk", "gp3": "essd", "rules": rules})
	database := map[string]string{"tier": "db"}
	cases := map[string]struct {
		claim  diskspec.Claim
		labels map[string]string
		want   *converted
		// wantByName is where the labels are not known; nil is the same as want.
		wantByName *converted
	}{
		"a class without a rule stays": {
			claim: diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "efficiency"},
		},
		"the short form holds where no rule does": {
			claim: diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "gp3"},
			want:  &converted{Class: "essd"},
		},
		"the console's name is that of the default class": {
			claim: diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "gp2"},
			want:  &converted{Class: "alicloud-disk-topology-alltype"},
		},
		"a claim without a class has rules of its own": {
			claim: diskspec.Claim{Namespace: "shop", Name: "data"},
			want: &converted{
				Class: "alicloud-disk-topology-alltype",
				Modes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadOnlyMany},
			},
		},
		"a capacity is rounded up to GiB": {
			claim: diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "nas"},
			want:  &converted{Modes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}, Capacity: "20992Mi", GiB: 21},
		},
		"a rule by class alone comes last": {
			claim: diskspec.Claim{Namespace: "dev", Name: "logs", StorageClass: "ssd"},
			want:  &converted{Class: "plain"},
		},
		"a rule by labels comes before, where they are known": {
			claim:      diskspec.Claim{Namespace: "dev", Name: "logs", StorageClass: "ssd"},
			labels:     database,
			want:       &converted{Class: "labelled"},
			wantByName: &converted{Class: "plain"},
		},
		"a rule by namespaces comes before labels, the first of two": {
			claim:  diskspec.Claim{Namespace: "shop", Name: "logs", StorageClass: "ssd"},
			labels: database,
			want:   &converted{Class: "of-namespace"},
		},
		"a rule by names comes before namespaces": {
			claim:  diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "ssd"},
			labels: database,
			want:   &converted{Class: "of-name"},
		},
		"a rule by everything comes first, where the labels are known": {
			claim:      diskspec.Claim{Namespace: "bank", Name: "data", StorageClass: "ssd"},
			labels:     database,
			want:       &converted{Class: "of-all"},
			wantByName: &converted{Class: "of-name"},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantByName := test.wantByName
			if wantByName == nil {
				wantByName = test.want
			}
			compare(t, "Find", test.want)(mapping.Find(test.claim, test.labels))
			compare(t, "FindByName", wantByName)(mapping.FindByName(test.claim))
		})
	}
}

// compare returns a check of what a method of Mapping returned; want is nil for no conversion.
func compare(t *testing.T, method string, want *converted) func(storageclass.Conversion, bool) {
	t.Helper()
	return func(conversion storageclass.Conversion, found bool) {
		t.Helper()
		var got *converted
		if found {
			c := convertedOf(conversion)
			got = &c
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", method, diff)
		}
	}
}

func TestAConversionKnowsWhereItIsWritten(t *testing.T) {
	t.Parallel()
	mapping := decode(t, map[string]string{"gp2": "essd", "rules": "- from: ssd\n  to:\n    class: essd\n"})
	ofRow, _ := mapping.FindByName(diskspec.Claim{StorageClass: "gp2"})
	ofRule, _ := mapping.FindByName(diskspec.Claim{StorageClass: "ssd"})
	want := []settings.Position{
		{ConfigMap: "velero/rules", Key: "gp2", Line: 1},
		{ConfigMap: "velero/rules", Key: "rules", Line: 3},
	}
	if diff := cmp.Diff(want, []settings.Position{ofRow.At, ofRule.At}); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
}

func TestMappingRefuses(t *testing.T) {
	t.Parallel()
	const subdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
		"and must start and end with an alphanumeric character (e.g. 'example.com', " +
		`regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`
	const namespace = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', " +
		"and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', " +
		`regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`
	cases := map[string]struct {
		data map[string]string
		want string
	}{
		"a target that is no class": {
			data: map[string]string{"gp2": "ESSD"},
			want: `key "gp2", line 1: "ESSD": ` + subdomain,
		},
		"a source that is no class, such as a misspelled key": {
			data: map[string]string{"Rules": "essd"},
			want: `key "Rules": ` + subdomain,
		},
		"rules under a misspelled key": {
			data: map[string]string{"rule": "- from: ssd"},
			want: `key "rule", line 1: "- from: ssd": ` + subdomain,
		},
		"a rule without from": {
			data: map[string]string{"rules": "- to: {class: essd}"},
			want: `key "rules", line 1: the key "from" is missing`,
		},
		"from without a value": {
			data: map[string]string{"rules": "- from:\n  to: {class: essd}"},
			want: `key "rules", line 1: no value: leave the key out, or write one, or "" for the empty text`,
		},
		"from that is no class": {
			data: map[string]string{"rules": "- from: SSD\n  to: {class: essd}"},
			want: `key "rules", line 1: "SSD": ` + subdomain,
		},
		"a rule without to": {
			data: map[string]string{"rules": "- from: ssd"},
			want: `key "rules", line 1: the key "to" is missing`,
		},
		"a rule that asks nothing": {
			data: map[string]string{"rules": "- from: ssd\n  to: {}"},
			want: `key "rules", line 2: nothing is asked: allowed are class, accessModes and capacity`,
		},
		"a rule that asks no access mode": {
			data: map[string]string{"rules": "- from: ssd\n  to: {accessModes: []}"},
			want: `key "rules", line 2: nothing is asked: allowed are class, accessModes and capacity`,
		},
		"both names of the access modes": {
			data: map[string]string{"rules": "- from: ssd\n  to: {accessModes: [ReadWriteOnce], convertToAccessModes: [ReadWriteOnce]}"},
			want: `key "rules", line 2: accessModes and convertToAccessModes are the same: keep one of them`,
		},
		"an access mode for one Pod, and others": {
			data: map[string]string{"rules": "- from: ssd\n  to: {accessModes: [ReadWriteOnce, ReadWriteOncePod]}"},
			want: `key "rules", line 2: ReadWriteOncePod is allowed with no other access mode`,
		},
		"an unknown access mode": {
			data: map[string]string{"rules": "- from: ssd\n  to:\n    accessModes:\n    - RWO"},
			want: `key "rules", line 4: "RWO": allowed are [ReadWriteOnce ReadOnlyMany ReadWriteMany ReadWriteOncePod]`,
		},
		"a malformed capacity": {
			data: map[string]string{"rules": "- from: ssd\n  to:\n    capacity: 40GB"},
			want: `key "rules", line 3: "40GB": allowed is a size such as 40Gi`,
		},
		"a capacity of nothing": {
			data: map[string]string{"rules": "- from: ssd\n  to: {capacity: 0}"},
			want: `key "rules", line 2: "0": allowed is a size such as 40Gi`,
		},
		"a capacity that no number of bytes has": {
			data: map[string]string{"rules": "- from: ssd\n  to: {capacity: 1e30}"},
			want: `key "rules", line 2: "1e30": allowed is a size such as 40Gi`,
		},
		"a capacity that would take minutes to read": {
			data: map[string]string{"rules": "- from: ssd\n  to: {capacity: 1e-99999999}"},
			want: `key "rules", line 2: "1e-99999999": allowed is a size such as 40Gi`,
		},
		"a malformed selector": {
			data: map[string]string{"rules": "- from: ssd\n  selector:\n    matchExpressions:\n    - {key: a, operator: Has}\n  to: {class: essd}"},
			want: `key "rules", line 3: "Has" is not a valid label selector operator`,
		},
		"an empty selector": {
			data: map[string]string{"rules": "- from: ssd\n  selector: {}\n  to: {class: essd}"},
			want: `key "rules", line 2: the selector is empty: leave it out for all objects`,
		},
		"an empty list of namespaces": {
			data: map[string]string{"rules": "- from: ssd\n  namespaces: []\n  to: {class: essd}"},
			want: `key "rules", line 2: an empty list holds for no object: leave it out for all`,
		},
		"what is no namespace": {
			data: map[string]string{"rules": "- from: ssd\n  namespaces: [shop*]\n  to: {class: essd}"},
			want: `key "rules", line 2: namespace "shop*": ` + namespace,
		},
		"what is no name": {
			data: map[string]string{"rules": "- from: ssd\n  names: [shop/data]\n  to: {class: essd}"},
			want: `key "rules", line 2: name "shop/data": ` + subdomain,
		},
		"classes for missing ones that are none": {
			data: map[string]string{"missingClasses": "{}"},
			want: `key "missingClasses", line 1: nothing is asked: allowed are disk and nas`,
		},
		"a rule about the claims of another one": {
			data: map[string]string{"rules": "- {from: ssd, names: [a, b], to: {class: essd}}\n- {from: ssd, names: [b, a], to: {class: nas}}"},
			want: `key "rules", line 2: this is about the same claims as ConfigMap velero/rules, key "rules", line 1: keep one of them`,
		},
		"a rule about the claims of a row": {
			data: map[string]string{"ssd": "essd", "rules": "- from: ssd\n  to: {class: nas}"},
			want: `key "rules", line 1: this is about the same claims as ConfigMap velero/rules, key "ssd", line 1: keep one of them`,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := settings.Decode[storageclass.Mapping](configMap(test.data))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff("ConfigMap velero/rules, "+test.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzMapping holds that rules which are accepted say something, and that a rule
// without a selector means the same whether or not the labels are known.
func FuzzMapping(f *testing.F) {
	f.Add("- from: ssd\n  namespaces: [shop]\n  names: [data]\n  selector: {matchLabels: {a: b}}\n  to: {class: essd, capacity: 1.5Gi}", "essd", "ssd")
	f.Add("- from: \"\"\n  to: {convertToAccessModes: [ReadWriteOnce], capacity: 1e30}", "alicloud-disk", "")
	f.Add("- {from: ssd, to: {capacity: 1e-9999999}}", "a", "ssd")
	f.Add("- {from: ssd, to: {capacity: 1n}}", "a", "ssd")
	f.Fuzz(func(t *testing.T, rules, target, source string) {
		mapping, err := settings.Decode[storageclass.Mapping](configMap(map[string]string{"rules": rules, "gp2": target}))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "ConfigMap velero/rules, key ") {
				t.Errorf("error %q does not say where", err)
			}
			return
		}
		claim := diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: source}
		conversion, found := mapping.FindByName(claim)
		if found && conversion.Class == "" && conversion.Modes() == nil && conversion.Capacity == nil {
			t.Errorf("%q asks nothing", rules)
		}
		if found && conversion.Capacity != nil && conversion.Capacity.GiB() < 1 {
			t.Errorf("%q asks %d GiB", rules, conversion.Capacity.GiB())
		}
		for _, rule := range mapping.Rules {
			if rule.Selector != nil {
				return
			}
		}
		labelled, foundLabelled := mapping.Find(claim, map[string]string{"a": "b"})
		if diff := cmp.Diff(conversion, labelled); diff != "" || found != foundLabelled {
			t.Errorf("%q by name and with labels (-name +labels):\n%s", rules, diff)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/imagemapping"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/selection"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// Patterns, in the regular expressions that ECMA-262 and RE2 have in common.
const (
	dnsLabel     = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
	dnsSubdomain = dnsLabel + `(\.` + dnsLabel + `)*`

	// The part of a label's or annotation's key after the prefix, and a label's value.
	qualified = `[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?`

	// See the grammar of github.com/distribution/reference.
	domainPart = `[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?`
	port       = `:[0-9]+`
	registry   = `(localhost(` + port + `)?|` + domainPart + `((\.` + domainPart + `)+(` + port + `)?|` + port + `)|` +
		`\[[A-Fa-f0-9:]+\](` + port + `)?)`
	pathPart = `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
	tag      = `[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}`
	image    = `[A-Za-z0-9_.:/@+\[\]-]+`

	// A decimal number larger than zero, as resource.ParseQuantity takes it.
	positive = `\+?([0-9]*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.[0-9]*[1-9][0-9]*)`
	unit     = `([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})`

	tcpPort = `[1-9][0-9]{0,4}`
)

// forms are those of all types in the settings that accept less than their Go type
// does. What depends on several values at once is left to the plugin: that no two
// rules are about the same, say.
func forms() settings.Forms {
	return settings.Forms{
		reflect.TypeFor[selection.Namespaces](): {"minItems": 1, "items": matching(dnsLabel, 63)},
		reflect.TypeFor[selection.Names]():      {"minItems": 1, "items": matching(dnsSubdomain, 253)},
		reflect.TypeFor[selection.Selector](): {
			"anyOf": []any{with("matchLabels", "minProperties"), with("matchExpressions", "minItems")},
			"properties": settings.Schema{
				"matchLabels": settings.Schema{"propertyNames": labelKey(), "additionalProperties": labelValue()},
			},
		},
		reflect.TypeFor[metav1.LabelSelectorRequirement](): {
			"properties": settings.Schema{"key": labelKey(), "values": settings.Schema{"items": labelValue()}},
			"if":         about("operator", enum("In", "NotIn")),
			"then":       with("values", "minItems"),
			"else":       about("values", settings.Schema{"maxItems": 0}),
		},
		reflect.TypeFor[metav1.LabelSelectorOperator](): enum("In", "NotIn", "Exists", "DoesNotExist"),

		reflect.TypeFor[imagemapping.Mapping]():     {"propertyNames": settings.Schema{"pattern": "^case[0-9]+$"}},
		reflect.TypeFor[imagemapping.Prefix]():      prefix(),
		reflect.TypeFor[imagemapping.Replacement](): prefix(),
		reflect.TypeFor[imagemapping.Row](): {
			"pattern": `^\s*(` + image + `\s*,\s*` + image + `|` + tag + `\s*:\s*` + tag + `)\s*$`,
		},

		reflect.TypeFor[storageclass.Mapping]():        {"propertyNames": matching(dnsSubdomain, 253)},
		reflect.TypeFor[storageclass.MissingClasses](): {"minProperties": 1},
		reflect.TypeFor[storageclass.Conversion](): {
			"anyOf": []any{
				settings.Schema{"required": []string{"class"}},
				settings.Schema{"required": []string{"capacity"}},
				with("accessModes", "minItems"), with("convertToAccessModes", "minItems"),
			},
			"not":        settings.Schema{"required": []string{"accessModes", "convertToAccessModes"}},
			"properties": settings.Schema{"accessModes": modes(), "convertToAccessModes": modes()},
		},
		reflect.TypeFor[storageclass.SourceClass](): matching(`(`+dnsSubdomain+`)?`, 253),
		reflect.TypeFor[storageclass.TargetClass](): matching(dnsSubdomain, 253),
		reflect.TypeFor[storageclass.AccessMode]():  enum("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"),
		reflect.TypeFor[storageclass.Capacity](): {
			"type": []string{"string", "number"}, "exclusiveMinimum": 0, "pattern": `^` + positive + unit + `?$`,
		},

		reflect.TypeFor[restoreitemaction.AnnotationsRule](): {
			"anyOf":      []any{with("set", "minProperties"), with("overwrite", "minProperties"), with("remove", "minItems")},
			"properties": settings.Schema{"kinds": settings.Schema{"minItems": 1}},
		},
		reflect.TypeFor[restoreitemaction.AnnotatedKind]():    enum("Service", "Ingress"),
		reflect.TypeFor[restoreitemaction.AnnotationValues](): {"propertyNames": annotationKey()},
		reflect.TypeFor[restoreitemaction.AnnotationKeys]():   {"items": annotationKey(), "uniqueItems": true},

		reflect.TypeFor[restoreitemaction.Reuse](): enum(string(restoreitemaction.ReuseKeep), string(restoreitemaction.ReuseNew)),
		reflect.TypeFor[restoreitemaction.NodePortRange](): {
			"pattern": `^` + tcpPort + `-` + tcpPort + `$`,
		},
	}
}

// prefix is the form of a registry, or of one and the beginning of a path in it.
func prefix() settings.Schema {
	return settings.Schema{"type": "string", "pattern": `^` + registry + `(/` + pathPart + `)*/?$`}
}

// modes is the form of access modes, where ReadWriteOncePod is alone.
func modes() settings.Schema {
	return settings.Schema{
		"if":   settings.Schema{"contains": settings.Schema{"const": "ReadWriteOncePod"}},
		"then": settings.Schema{"maxItems": 1},
	}
}

// matching is the form of text that is the pattern, of at most as many characters as
// longest says, if that is not 0.
func matching(pattern string, longest int) settings.Schema {
	schema := settings.Schema{"pattern": "^(" + pattern + ")$"}
	if longest > 0 {
		schema["maxLength"] = longest
	}
	return schema
}

func enum(values ...string) settings.Schema {
	return settings.Schema{"type": "string", "enum": values}
}

// about is the schema of a map where the value under the key, if there is one, is as
// schema says.
func about(key string, schema settings.Schema) settings.Schema {
	return settings.Schema{"properties": settings.Schema{key: schema}}
}

// with is the schema of a map that has the key, with at least one entry: minimum is
// the keyword for that.
func with(key, minimum string) settings.Schema {
	schema := about(key, settings.Schema{minimum: 1})
	schema["required"] = []string{key}
	return schema
}

// labelKey is the form of a label's key.
func labelKey() settings.Schema {
	return matching(`(`+dnsSubdomain+`/)?`+qualified, 0)
}

// labelValue is the form of a label's value.
func labelValue() settings.Schema {
	return matching(`(`+qualified+`)?`, 0)
}

// annotationKey is the form of an annotation's key, whose prefix may have upper case.
func annotationKey() settings.Schema {
	const label = `[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?`
	return matching(`(`+label+`(\.`+label+`)*/)?`+qualified, 0)
}

// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// Validate refuses classes that no cluster has, and a rule that holds for no claim
// because another one is about the same.
func (m *Mapping) Validate() error {
	var problems []error
	about := make(map[string]settings.Position)
	for _, class := range slices.Sorted(maps.Keys(m.Classes)) {
		if err := dnsName(class); err != nil {
			problems = append(problems, &settings.Error{Position: m.At.Under(class), Err: err})
		}
		about[(&Rule{From: SourceClass(class)}).conditions()] = m.row(class).At
	}
	for i := range m.Rules {
		rule := &m.Rules[i]
		if other, ok := about[rule.conditions()]; ok {
			err := fmt.Errorf("this is about the same claims as %s: keep one of them", other)
			problems = append(problems, &settings.Error{Position: rule.At, Err: err})
			continue
		}
		about[rule.conditions()] = rule.At
	}
	return errors.Join(problems...)
}

// conditions is the same text for rules that are about the same claims.
func (r *Rule) conditions() string {
	return fmt.Sprintf("%q %q %q %v", r.From,
		slices.Sorted(slices.Values(r.Namespaces)), slices.Sorted(slices.Values(r.Names)), r.Selector)
}

// Validate refuses classes for nothing.
func (m *MissingClasses) Validate() error {
	if m.Disk == "" && m.NAS == "" {
		return errors.New("nothing is asked: allowed are disk and nas")
	}
	return nil
}

// Validate refuses a conversion that changes nothing, and what the API server would
// refuse of the claim (k8s.io/kubernetes/pkg/apis/core/validation,
// ValidatePersistentVolumeClaimSpec).
func (c *Conversion) Validate() error {
	if c.AccessModes != nil && c.ConvertToAccessModes != nil {
		return errors.New("accessModes and convertToAccessModes are the same: keep one of them")
	}
	if c.Class == "" && len(c.Modes()) == 0 && c.Capacity == nil {
		return errors.New("nothing is asked: allowed are class, accessModes and capacity")
	}
	if modes := c.Modes(); len(modes) > 1 && slices.Contains(modes, corev1.ReadWriteOncePod) {
		return fmt.Errorf("%s is allowed with no other access mode", corev1.ReadWriteOncePod)
	}
	return nil
}

// Validate refuses what is no name of a StorageClass.
func (c *SourceClass) Validate() error {
	if *c == "" {
		return nil
	}
	return dnsName(string(*c))
}

// The backup center's console offers a class that is none, and means
// defaultDiskClass: FAQ, "current cluster is multi-zoned".
const consoleDiskClass = "alicloud-disk"

// UnmarshalText reads the name of a StorageClass, or the backup center's alicloud-disk.
func (c *TargetClass) UnmarshalText(text []byte) error {
	if err := dnsName(string(text)); err != nil {
		return err
	}
	*c = TargetClass(text)
	if *c == consoleDiskClass {
		*c = defaultDiskClass
	}
	return nil
}

// Validate refuses what Kubernetes has no access mode for.
func (m *AccessMode) Validate() error {
	allowed := []corev1.PersistentVolumeAccessMode{
		corev1.ReadWriteOnce, corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOncePod,
	}
	if !slices.Contains(allowed, corev1.PersistentVolumeAccessMode(*m)) {
		return fmt.Errorf("allowed are %v", allowed)
	}
	return nil
}

var errCapacity = errors.New("allowed is a size such as 40Gi")

// UnmarshalText reads a quantity that is larger than nothing, in bytes of an int64.
func (c *Capacity) UnmarshalText(text []byte) error {
	// ParseQuantity takes minutes for an exponent of many digits.
	if regexp.MustCompile(`[eE][+-]?[0-9]{3}`).Match(text) {
		return errCapacity
	}
	quantity, err := resource.ParseQuantity(string(text))
	if err != nil || quantity.Sign() <= 0 || quantity.CmpInt64(math.MaxInt64) > 0 {
		return errCapacity
	}
	c.Quantity = quantity
	return nil
}

// dnsName refuses what cannot be the name of an object.
func dnsName(name string) error {
	if messages := validation.IsDNS1123Subdomain(name); len(messages) > 0 {
		return errors.New(strings.Join(messages, "; "))
	}
	return nil
}

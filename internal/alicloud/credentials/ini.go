// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/ini.v1"
)

const defaultProfile = "default"

// Keys of an INI profile: Alibaba Cloud's (~/.alibabacloud/credentials) and those of AWS.
const (
	iniType            = "type"
	iniAccessKeyID     = "access_key_id"
	iniAccessKeySecret = "access_key_secret" //nolint:gosec // A name, not a secret.
	iniSecurityToken   = "security_token"
	iniRoleName        = "role_name"
	iniRoleARN         = "role_arn"
	iniSessionName     = "role_session_name"
	iniExternalID      = "external_id"
	iniAWSKeyID        = "aws_access_key_id"
	iniAWSSecret       = "aws_secret_access_key" //nolint:gosec // A name, not a secret.
	iniAWSToken        = "aws_session_token"
)

// isINIKey reports whether a line that begins with the name is one of an INI file.
func isINIKey(name string) bool {
	switch strings.ToLower(name) {
	case iniType, iniAccessKeyID, iniAccessKeySecret, iniSecurityToken, iniRoleName, iniRoleARN,
		iniSessionName, iniExternalID, iniAWSKeyID, iniAWSSecret, iniAWSToken:
		return true
	}
	return false
}

// parseINI reads one profile of an INI file. The parser's own errors quote the
// line that they stumbled on, so they are not passed on.
func parseINI(content []byte, profile string) (document, error) {
	file, err := ini.LoadSources(ini.LoadOptions{
		InsensitiveKeys:     true,
		IgnoreInlineComment: true, // A secret may contain # and ;.
		IgnoreContinuation:  true,
	}, content)
	if err != nil {
		return document{}, errors.New("the file is not a valid INI file: every line must be KEY = VALUE, a [section] or a comment")
	}
	profile = cmp.Or(profile, defaultProfile)
	section, err := file.GetSection(profile)
	if err != nil && profile == defaultProfile {
		// Keys above the first section belong to no profile, which is the default one.
		section, err = file.GetSection(ini.DefaultSection)
	}
	if err != nil {
		return document{}, fmt.Errorf("the file has no profile %q; it has: %s", profile, strings.Join(profiles(file), ", "))
	}
	doc, err := fromProfile(func(key string) string {
		// Not Key().String(): it would expand %(name)s inside a secret.
		return section.Key(key).Value()
	})
	if err != nil {
		return document{}, fmt.Errorf("profile %q: %w", profile, err)
	}
	doc.profile = profile
	return doc, nil
}

// fromProfile interprets the keys of one profile. The key "type" is Alibaba
// Cloud's; without it the profile is an access key.
func fromProfile(value func(string) string) (document, error) {
	kind := value(iniType)
	switch kind {
	case "", "access_key", "sts", "ram_role_arn":
	case "ecs_ram_role":
		if value(iniRoleName) == "" {
			return document{}, fmt.Errorf("type ecs_ram_role needs the key %s", iniRoleName)
		}
		return document{nodeRole: value(iniRoleName)}, nil
	default:
		return document{}, fmt.Errorf("type %q is not supported: use access_key, sts, ram_role_arn or ecs_ram_role", kind)
	}

	doc := document{
		key: Credentials{
			AccessKeyID:     cmp.Or(value(iniAccessKeyID), value(iniAWSKeyID)),
			AccessKeySecret: cmp.Or(value(iniAccessKeySecret), value(iniAWSSecret)),
			SecurityToken:   cmp.Or(value(iniSecurityToken), value(iniAWSToken)),
		},
	}
	if kind == "ram_role_arn" {
		doc.assume = assumption{
			roleARN:     value(iniRoleARN),
			sessionName: value(iniSessionName),
			externalID:  value(iniExternalID),
		}
		if doc.assume.roleARN == "" {
			return document{}, fmt.Errorf("type ram_role_arn needs the key %s", iniRoleARN)
		}
	}
	if err := checkKeyPair(doc.key); err != nil {
		return document{}, fmt.Errorf("%w: set %s and %s (or %s and %s)", err, iniAccessKeyID, iniAccessKeySecret, iniAWSKeyID, iniAWSSecret)
	}
	return doc, nil
}

// profiles returns the names of the sections that hold anything.
func profiles(file *ini.File) []string {
	var names []string
	for _, section := range file.Sections() {
		if len(section.Keys()) > 0 {
			names = append(names, section.Name())
		}
	}
	if len(names) == 0 {
		return []string{"none"}
	}
	return names
}

// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/joho/godotenv"
)

// Environment variables, which a dotenv file may set too.
const (
	variableAccessKeyID     = "ALIBABA_CLOUD_ACCESS_KEY_ID"
	variableAccessKeySecret = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
	// The official Velero plugin reads ..._ACCESS_STS_TOKEN, Alibaba Cloud's SDKs read ..._SECURITY_TOKEN.
	variableSTSToken      = "ALIBABA_CLOUD_ACCESS_STS_TOKEN"
	variableSecurityToken = "ALIBABA_CLOUD_SECURITY_TOKEN" //nolint:gosec // A name, not a secret.

	variableRoleARN       = "ALIBABA_CLOUD_ROLE_ARN"
	variableOIDCProvider  = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"
	variableOIDCTokenFile = "ALIBABA_CLOUD_OIDC_TOKEN_FILE"
	variableSessionName   = "ALIBABA_CLOUD_ROLE_SESSION_NAME"

	// Both name the RAM role of the node: the first is the official Velero
	// plugin's, the second that of Alibaba Cloud's SDKs.
	variableRAMRole     = "ALIBABA_CLOUD_RAM_ROLE"
	variableECSMetadata = "ALIBABA_CLOUD_ECS_METADATA"

	variableMetadataDisabled = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
	variableCredentialsFile  = "ALIBABA_CLOUD_CREDENTIALS_FILE" //nolint:gosec // A name, not a secret.
	variableSTSEndpoint      = "ALIBABA_CLOUD_STS_ENDPOINT"

	variablePrefix = "ALIBABA_CLOUD_"
)

// parseDotenv reads KEY=VALUE lines. The parser's own errors quote the line that
// they stumbled on, so they are not passed on.
func parseDotenv(content []byte) (document, error) {
	variables, err := godotenv.Parse(bytes.NewReader(content))
	if err != nil {
		return document{}, errors.New("the file is not made of KEY=VALUE lines; check quotes and line breaks")
	}
	lookup := func(name string) string { return variables[name] }

	doc := document{variables: variables}
	key, err := keyFromVariables(lookup)
	switch {
	case err != nil:
		return document{}, err
	case key.AccessKeyID != "":
		doc.key = key
	case lookup(variableRAMRole) != "" || lookup(variableECSMetadata) != "":
		doc.nodeRole = nodeRoleName(lookup)
	case lookup(variableRoleARN) != "":
		doc.oidc = true
	case !namesAnyVariable(variables):
		return document{}, fmt.Errorf("the file sets none of the variables that are understood: set %s and %s", variableAccessKeyID, variableAccessKeySecret)
	}
	return doc, nil
}

// keyFromVariables returns the access key that the variables hold, zero where they hold none.
func keyFromVariables(lookup func(string) string) (Credentials, error) {
	key := Credentials{
		AccessKeyID:     lookup(variableAccessKeyID),
		AccessKeySecret: lookup(variableAccessKeySecret),
		SecurityToken:   cmp.Or(lookup(variableSTSToken), lookup(variableSecurityToken)),
	}
	if key == (Credentials{}) {
		return Credentials{}, nil
	}
	if key.AccessKeyID == "" || key.AccessKeySecret == "" {
		return Credentials{}, fmt.Errorf("%s and %s must be set together", variableAccessKeyID, variableAccessKeySecret)
	}
	return key, checkKeyPair(key)
}

// nodeRoleName returns the configured name of the node's RAM role, "" where it is to be asked for.
func nodeRoleName(lookup func(string) string) string {
	return cmp.Or(lookup(variableRAMRole), lookup(variableECSMetadata))
}

func namesAnyVariable(variables map[string]string) bool {
	for name := range variables {
		if strings.HasPrefix(name, variablePrefix) {
			return true
		}
	}
	return false
}

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jose_vectors.h
 * @brief Keys and tokens made by another implementation (PyJWT and python-cryptography).
 */
#ifndef TESTS_UNIT_JOSE_VECTORS_H
#define TESTS_UNIT_JOSE_VECTORS_H

static const char es256_jwk[] =
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"iA5sealLOF8B1ae0oE1qtlvlCG4xhAcAxj1YS3W3oY4\","
	"\"y\":\"firjv64u5ZNdIezYTqOXNymLtJMNWAK40t3xz2dDHm8\"}";
static const char es256_thumbprint[] = "WZ-RZJM8_4XghwTPrGFD-17upDAxWRicW7Vw1Pt8Pgc";
static const char es256_token[] =
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImstZXMyNTYiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJod"
	"HRwczovL2xvY2FsaG9zdDo5NDQzL29hdXRoMi90b2tlbiIsInN1YiI6ImFsaWNlIiwiYXVkIjpbI"
	"m9uZSIsInR3byJdLCJjbGllbnRfaWQiOiJjMSIsImF6cCI6ImMxIiwic2NvcGUiOiJhcGltOmFwa"
	"V92aWV3IGRlZmF1bHQiLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjoxN"
	"zAwMDAzNjAwLCJqdGkiOiJqLTEifQ.1G7YYo99d1XcKnguuelmKU8PqPTkbKHwzIIKOGqwUgLe6r"
	"XGxPQYqQxZLhvCLOrEIE906kH6eTTtapCDwg0Obw";

static const char es256_private[] = /* PKCS #8, base64; for this test only */
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMTv8RQAtKkCOuHM5usQ5b0cIKlIG"
	"r6QiMH5YPMsUJfyhRANCAASIDmx5qUs4XwHVp7SgTWq2W+UIbjGEBwDGPVhLdbehjn4q47+uLuWT"
	"XSHs2E6jlzcpi7STDVgCuNLd8c9nQx5v";

static const char rs256_jwk[] =
	"{\"kty\":\"RSA\",\"n\":\"z-Fft7TmjnIYzATzT4Yp88T7ULBLqwYBePPCKpQuPj8CMPsQwksIgyb-5X"
	"NpY7mKluxIDTLbnPI4-NyleFoPvuoAcDJgUho6DDz8CKsrnLwi_lp4GJIXPXnuWd6KJHLKEN165j"
	"m8CJLHelKLcwWezI-0ONHbCSXi2_UEay5NICEw6OV8KjPcKgUwIl8oz6cqWhaUieakU0CFUNnIpa"
	"dYsa77iV4JCilnvFd3dniWr2Hdj6-hZ2Zqn59aKfWKNtbFOax0oezPHohSM4J7ACibRrBpxCJZUe"
	"df_IIfzQzxRG1f_2kTldA7vaadSsUWGTx2dxac4U4yQwZ6V5MA6OeioQ\",\"e\":\"AQAB\"}";
static const char rs256_thumbprint[] = "4lG2A2KoQiW_SLSREMKHY3bX6dfhZmvKAMxNfb_rLe8";
static const char rs256_token[] =
	"eyJhbGciOiJSUzI1NiIsImtpZCI6ImstcnMyNTYiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJod"
	"HRwczovL2xvY2FsaG9zdDo5NDQzL29hdXRoMi90b2tlbiIsInN1YiI6ImFsaWNlIiwiYXVkIjpbI"
	"m9uZSIsInR3byJdLCJjbGllbnRfaWQiOiJjMSIsImF6cCI6ImMxIiwic2NvcGUiOiJhcGltOmFwa"
	"V92aWV3IGRlZmF1bHQiLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjoxN"
	"zAwMDAzNjAwLCJqdGkiOiJqLTEifQ.fXiW8Kz3U2_VYNZsJ_X-BeXV8uQuMg4OlXBl46IXcD3cwF"
	"Evt0LdC4HOG8Adu6Y1SLAHgNvq8WVCoE6t5RrFf8aNYPJ7lohWkDMOjo_gOK1P-HCdkHLJaLs6yM"
	"Sf60uMtB5C2IVXL_USRbVz1S54HGY9QrwELjv9_iqZnrKenvAJjTl9VQ8OSVoTbN_7GHcZtGt3W1"
	"rRe4BfGqkUUWTzR8gxQzzNMhJS32CHzjwtQT_Ss0nWO93ZrE60m77bsQg4I-Fi367GEIMoTC3ggC"
	"GxtGqvuGcMMU9bHk_3DttS4_SqsZ3rbkLcRTlMtq5qmocp6VTo9AFZ8MfmQ8QtpcvQcw";

static const char eddsa_jwk[] =
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"KBnLo0v0D3SX1WtK9ujGCEvMZg-YoIM7ZT63iRRzyt"
	"U\"}";
static const char eddsa_thumbprint[] = "i7uObuWXXVLzH9kMBIdveJR0QTK6oB4wWw5jLg50YeU";
static const char eddsa_token[] =
	"eyJhbGciOiJFZERTQSIsImtpZCI6ImstZWRkc2EiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJod"
	"HRwczovL2xvY2FsaG9zdDo5NDQzL29hdXRoMi90b2tlbiIsInN1YiI6ImFsaWNlIiwiYXVkIjpbI"
	"m9uZSIsInR3byJdLCJjbGllbnRfaWQiOiJjMSIsImF6cCI6ImMxIiwic2NvcGUiOiJhcGltOmFwa"
	"V92aWV3IGRlZmF1bHQiLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjoxN"
	"zAwMDAzNjAwLCJqdGkiOiJqLTEifQ.t505aoaLNaOoO6fEESCaXBwHQ1ugD9tW3cAvsD0AuknUzu"
	"Pper4gciDEtkujkCiH4c4K4hiEfjEyLFxiz_jKBA";

static const char weak_rsa_jwk[] = /* 1,024 bits */
	"{\"kty\":\"RSA\",\"n\":\"25D-RZBRMbs8QuFAtIGn_BVnLy667sCkD4-A2wLpWXmqsLDAxyRP6PJWYX"
	"w10Wo5rkzUQQKLdoOZVgQQduvzLp5P0xC_ORqisCvJndThGrePPw0gJETFfrbZnhA_Lyt8TH5ZEM"
	"KfqrqopNENa_Y8Y_JBTnuHC8gFHuux6H2xQxc\",\"e\":\"AQAB\"}";

static const char confused_token[] = /* HS256 with the RSA public key's PEM as secret */
	"eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImstcnMyNTYifQ.eyJpc3MiOiAia"
	"HR0cHM6Ly9sb2NhbGhvc3Q6OTQ0My9vYXV0aDIvdG9rZW4iLCAic3ViIjogImFsaWNlIiwgImF1Z"
	"CI6IFsib25lIiwgInR3byJdLCAiY2xpZW50X2lkIjogImMxIiwgImF6cCI6ICJjMSIsICJzY29wZ"
	"SI6ICJhcGltOmFwaV92aWV3IGRlZmF1bHQiLCAiaWF0IjogMTcwMDAwMDAwMCwgIm5iZiI6IDE3M"
	"DAwMDAwMDAsICJleHAiOiAxNzAwMDAzNjAwLCAianRpIjogImotMSJ9.5xnWKy2AeVTpgO4DnW96"
	"VAtogpWevv5AXmm8QIUZp68";

static const char none_token[] =
	"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.eyJpc3MiOiAiaHR0cHM6Ly9sb2NhbGhvc3Q6"
	"OTQ0My9vYXV0aDIvdG9rZW4iLCAic3ViIjogImFsaWNlIiwgImF1ZCI6IFsib25lIiwgInR3byJd"
	"LCAiY2xpZW50X2lkIjogImMxIiwgImF6cCI6ICJjMSIsICJzY29wZSI6ICJhcGltOmFwaV92aWV3"
	"IGRlZmF1bHQiLCAiaWF0IjogMTcwMDAwMDAwMCwgIm5iZiI6IDE3MDAwMDAwMDAsICJleHAiOiAx"
	"NzAwMDAzNjAwLCAianRpIjogImotMSJ9.";

#endif

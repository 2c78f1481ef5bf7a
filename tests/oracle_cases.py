"""Two hand-written patients with summaries of them, each right or with known errors, for the tests of the oracle."""

from clinical.patient import (
    Allergy,
    Complaint,
    Course,
    Diagnosis,
    DrugUse,
    FollowUp,
    Located,
    Operation,
    Patient,
    PlanItem,
    Problem,
    Relative,
    Study,
    Time,
    Value,
)

HEART = Patient(
    age=67,
    sex="male",
    specialty="cardiology",
    setting="inpatient",
    complaint=Complaint("leg swelling", "left", Time(14, "days"), "worsening"),
    symptoms=("orthopnea", "fatigue"),
    denied=("chest pain", "fever"),
    problems=(
        Problem("hypertension"),
        Problem("type 2 diabetes mellitus", "active", Time(10, "years")),
        Problem("pulmonary embolism", "resolved", Time(3, "years")),
    ),
    operations=(Operation("total knee replacement", "right", Time(5, "years")),),
    family=(Relative("mother", "breast cancer"),),
    smoking="former",
    pack_years=30,
    alcohol="none",
    drugs=(
        DrugUse("furosemide", "20 mg", "oral", "once daily", "increased", "40 mg", "leg swelling"),
        DrugUse("metformin", "500 mg", "oral", "twice daily", "held", None, "acute kidney injury"),
        DrugUse("lisinopril", "10 mg", None, "once daily"),
        DrugUse("spironolactone", "25 mg", "oral", "once daily", "started"),
        DrugUse("atorvastatin"),
    ),
    allergies=(Allergy("penicillins", "rash"),),
    vitals=(
        Value("systolic blood pressure", "142"),
        Value("diastolic blood pressure", "88"),
        Value("heart rate", "108"),
        Value("temperature", "36.9"),
        Value("oxygen saturation", "91"),
    ),
    signs=(Located("bibasilar crackles"), Located("joint swelling", "left")),
    absent_signs=("heart murmur",),
    labs=(Value("potassium", "5.9", "4.4"), Value("creatinine", "2.1", "1.4"), Value("hemoglobin", "13.2")),
    studies=(
        Study(
            "chest X-ray",
            (Located("pleural effusion", "right"), Located("pulmonary nodule", "left", 8)),
            ("pneumothorax",),
        ),
    ),
    diagnosis=Diagnosis("heart failure", "confirmed", acute=True),
    ruled_out=("deep vein thrombosis",),
    outcome=Course("orthopnea", "improved"),
    plan=(
        PlanItem("repeat", "potassium", Time(3, "days")),
        PlanItem("obtain", "echocardiogram", Time(2, "weeks")),
        PlanItem("advise", "fluid restriction", None, "1500 mL"),
        PlanItem("refer", "nephrology"),
    ),
    disposition="discharged home",
    follow_up=FollowUp("cardiology", Time(2, "weeks")),
)

LUNG = Patient(
    age=34,
    sex="female",
    specialty="pulmonology",
    setting="emergency",
    complaint=Complaint("dyspnea", None, Time(3, "days"), "sudden"),
    symptoms=("pleuritic chest pain", "cough"),
    denied=("hemoptysis", "leg swelling", "syncope"),
    problems=(Problem("asthma", "active", Time(12, "years")), Problem("migraine")),
    family=(Relative("father", "deep vein thrombosis"),),
    smoking="current",
    pack_years=8,
    drugs=(
        DrugUse("fluticasone", "110 mcg", "inhaled", "twice daily"),
        DrugUse("apixaban", "10 mg", None, "twice daily", "started", None, "pulmonary embolism"),
        DrugUse("ibuprofen", "400 mg", None, "as needed", "stopped"),
    ),
    allergies=(),
    vitals=(
        Value("heart rate", "112"),
        Value("oxygen saturation", "90"),
        Value("temperature", "37.1"),
        Value("respiratory rate", "24"),
    ),
    signs=(Located("wheezing"),),
    absent_signs=("calf pain",),
    labs=(Value("D-dimer", "2400"), Value("troponin I", "0.01"), Value("hemoglobin", "10.2", "11.9")),
    studies=(Study("CT pulmonary angiogram", (), ("pneumothorax",)),),
    diagnosis=Diagnosis("pulmonary embolism", "suspected"),
    ruled_out=("pneumonia",),
    plan=(PlanItem("obtain", "echocardiogram"), PlanItem("advise", "smoking cessation")),
    disposition="admitted",
    follow_up=FollowUp("pulmonology", Time(1, "weeks")),
)

HEART_RIGHT = (
    (
        "A 67-year-old man with hypertension and type 2 diabetes presented with two weeks of worsening left "
        "leg swelling, orthopnea and fatigue; he denied chest pain and fever."
    ),
    (
        "Mr. X, in his 60s, had an acute exacerbation of heart failure. Furosemide was increased from 20 mg "
        "to 40 mg daily, spironolactone 25 mg daily was started, and metformin was held because of acute "
        "kidney injury."
    ),
    "Potassium rose from 4.4 to 5.9 and creatinine was 2.1, up from 1.4. Hemoglobin was normal.",
    (
        "Chest X-ray showed a right pleural effusion and an 8 mm nodule in the left lung without "
        "pneumothorax. DVT was ruled out."
    ),
    "Hyperkalemia was noted. He was tachycardic and hypoxic but afebrile, with BP 142/88.",
    (
        "He was discharged home with cardiology follow-up in 2 weeks; potassium will be repeated in 3 days "
        "and an echo is planned within 14 days. Fluids restricted to 1.5 L."
    ),
    (
        "His mother had breast cancer. He is a former smoker with 30 pack-years and does not drink alcohol. "
        "Allergic to penicillin (rash)."
    ),
    "History of PE three years ago and right knee replacement 5 years ago.",
    (
        "Decompensated HF with edema of the left leg for 2 weeks. Lasix uptitrated to 40 mg, lisinopril 10 mg "
        "continued, metformin on hold. Orthopnea improved. Referred to nephrology."
    ),
    (
        "The patient's ACE inhibitor was continued while his diuretic dose was raised. No known murmur. "
        "Statin continued."
    ),
    (
        "Mr. Smith is a 67 y/o male with PMH significant for HTN, T2DM, and prior PE who was admitted with "
        "leg edema x 2 weeks."
    ),
    (
        "Pt is a 67M w/ L leg swelling, orthopnea, fatigue. No CP or fever. CXR: R pleural effusion, 8 mm L "
        "nodule, no PTX."
    ),
    (
        "He was found to be in decompensated heart failure. His Lasix was doubled to 40 mg, spironolactone "
        "was added, and metformin was held for AKI."
    ),
    (
        "Medications on discharge: furosemide 40 mg PO daily, lisinopril 10 mg daily, spironolactone 25 mg "
        "daily, atorvastatin. Metformin on hold."
    ),
    "His potassium climbed to 5.9 and his creatinine worsened to 2.1 mg/dL.",
    (
        "The patient was instructed to restrict fluids to 1.5 liters per day, have his potassium rechecked in "
        "three days, and follow up with cardiology in two weeks."
    ),
    (
        "He does not have chest pain. There was no fever. He has had diabetes for 10 years and a PE 3 years "
        "ago that resolved."
    ),
    "Exam revealed bibasilar crackles and left joint swelling, with no murmur.",
    "He quit smoking (30 pack-years) and abstains from alcohol.",
    "Penicillin allergy (rash). Mother with breast cancer.",
    "Past surgical history includes right total knee replacement five years ago.",
    "The patient's orthopnea improved and he was sent home.",
    "His blood pressure was 142/88 with a heart rate of 108 and O2 saturation of 91%.",
    "On examination he was hypertensive, tachycardic and hypoxic. Temperature was 36.9.",
    "He presented with several days of leg swelling. Nephrology referral and an echo within 2 weeks were arranged.",
    (
        "Furosemide increased from 20 to 40 mg; lisinopril continued; metformin held due to acute kidney "
        "injury; DVT ruled out."
    ),
    "Assessment: acute on chronic heart failure with hyperkalemia.",
    "Because of acute kidney injury, metformin was held; lisinopril was continued for hypertension.",
    "Potassium is now 5.9 (it had been 4.4). Creatinine reached 2.1 after 1.4.",
    "He presented with leg swelling and is known to have hypertension. The PE has since resolved.",
    "His leg swelling, attributed to heart failure, has lasted over the last two weeks.",
    "A chest X-ray was done, and an echocardiogram is due in 2 weeks.",
    "He carries a diagnosis of type 2 diabetes. The diagnosis was heart failure.",
)

LUNG_RIGHT = (
    (
        "34-year-old woman with asthma and migraines presents with sudden onset shortness of breath for 3 "
        "days with pleuritic chest pain and cough. Denies hemoptysis, leg swelling, or syncope."
    ),
    (
        "Young woman smoker (8 pack-years) with suspected PE; started on apixaban 10 mg BID. Ibuprofen "
        "discontinued. Admitted."
    ),
    (
        "Vitals: HR 112, RR 24, SpO2 90%, T 37.1 C. Exam shows wheezes. D-dimer elevated at 2400, troponin "
        "negative. Hgb dropped from 11.9 to 10.2."
    ),
    "She has a family history of DVT in her father. No known drug allergies.",
    (
        "She was tachycardic and hypoxic on arrival. CTPA showed no pneumothorax, and pneumonia was excluded. "
        "She was counseled on smoking cessation and will follow up with pulmonology in one week."
    ),
    "Anticoagulation was started for possible pulmonary embolism. An echocardiogram is planned.",
    (
        "The patient is a 34 year old female who presented to the emergency department with a three day "
        "history of acute onset dyspnea. She is anemic. Her NSAID was stopped."
    ),
    (
        "Her father had a blood clot. She denies coughing up blood. She uses inhaled fluticasone 110 mcg "
        "twice daily for asthma."
    ),
    "Impression: likely pulmonary embolism. Plan: admit, start apixaban, echo, pulmonary clinic in 7 days.",
    "A 34F c/o SOB x3 days, pleuritic CP. PMH asthma (12 years). Afebrile.",
)

# (summary, the type of an error that must be found)
HEART_WRONG = (
    ("He denies orthopnea and chest pain.", "negation"),
    ("He reports fever and leg swelling.", "negation"),
    ("Furosemide was increased to 80 mg daily.", "dose"),
    ("He takes lisinopril 25 mg daily.", "role exchange"),
    ("Furosemide was increased from 40 mg to 20 mg.", "dose"),
    ("Atorvastatin 40 mg was continued.", "role exchange"),
    ("He had right leg swelling.", "laterality"),
    ("He had leg swelling for 3 days.", "role exchange"),
    ("He presented with a 5-day history of leg swelling.", "time"),
    ("He has a history of breast cancer.", "experiencer"),
    ("His father had breast cancer.", "experiencer"),
    ("A 67-year-old woman with leg swelling.", "demographics"),
    ("A 76-year-old man with leg swelling.", "demographics"),
    ("Metformin was stopped and spironolactone was started.", "change"),
    ("Metformin was continued.", "change"),
    ("He was started on amlodipine 5 mg daily.", "medication"),
    ("He has asthma and leg swelling.", "condition"),
    ("Potassium was 4.9.", "number"),
    ("Creatinine fell to 2.1.", "number"),
    ("Creatinine was 5.9 on admission.", "role exchange"),
    ("Possible heart failure was considered.", "certainty"),
    ("He was diagnosed with DVT.", "negation"),
    ("He was admitted to the ICU.", "change"),
    ("Follow-up with neurology in 2 weeks.", "service"),
    ("Repeat potassium in 2 weeks.", "role exchange"),
    ("CT of the head was obtained.", "procedure"),
    ("He never smoked.", "other"),
    ("No known drug allergies.", "negation"),
    ("Metformin 500 mg three times daily was held.", "dose"),
    ("He denies nausea.", "negation"),
    ("Labs showed hypokalemia.", "number"),
    ("Metformin was held because of hypertension.", "causality"),
    ("A 12 mm left pulmonary nodule was seen.", "number"),
    ("Orthopnea resolved with treatment.", "change"),
    ("Echocardiogram showed a normal function.", "plan"),
    ("Chest X-ray showed left pleural effusion.", "laterality"),
    ("He has a history of hypertension, diabetes, and coronary artery disease.", "condition"),
    ("He was started on furosemide 40 mg and lisinopril was stopped.", "change"),
    ("His potassium improved to 5.9.", "number"),
    ("He presented with bilateral leg swelling.", "laterality"),
    ("He has had left leg swelling for two months.", "time"),
    ("He complains of chest pain and orthopnea.", "negation"),
    ("There is no pleural effusion on chest X-ray.", "negation"),
    ("CXR showed pneumothorax.", "negation"),
    ("Chest X-ray showed a left lower lobe pneumonia.", "condition"),
    ("His father had breast cancer.", "experiencer"),
    ("He is a current smoker.", "other"),
    ("He drinks alcohol occasionally.", "other"),
    ("He was admitted to the hospital and discharged to rehab.", "change"),
    ("Metformin was held due to hyperkalemia.", "causality"),
    ("Follow-up with cardiology in 4 weeks.", "time"),
    ("Repeat potassium in 1 week.", "time"),
    ("Fluids restricted to 2 L.", "plan"),
    ("He underwent left total knee replacement 5 years ago.", "laterality"),
    ("He had a total hip replacement 5 years ago.", "procedure"),
    ("Furosemide 20 mg twice daily was increased.", "dose"),
    ("Orthopnea worsened.", "change"),
    ("Lisinopril 20 mg was continued.", "role exchange"),
    ("Blood pressure was 124/88.", "number"),
    ("Hemoglobin was low at 13.2.", "number"),
    ("He had a mild headache.", "condition"),
    ("Insulin was started.", "medication"),
    ("He was given IV furosemide.", "dose"),
    ("Possible heart failure.", "certainty"),
    ("The knee X-ray was normal.", "procedure"),
    ("Allergic to latex.", "medication"),
    ("His heart failure is due to hypertension.", "causality"),
    ("She denies fever.", "demographics"),
    ("He has an 18 mm nodule.", "number"),
    ("Referred to neurology.", "service"),
    ("Advised low sodium diet.", "plan"),
    ("The patient was also advised to take aspirin 81 mg daily.", "medication"),
    ("He has a history of stroke two years ago.", "condition"),
    ("Wife has breast cancer.", "experiencer"),
    ("Creatinine was 1.4.", "role exchange"),
    ("He presented with pulmonary embolism.", "role exchange"),
    ("He was diagnosed with hypertension.", "role exchange"),
    ("Type 2 diabetes was diagnosed in this man.", "role exchange"),
    ("The assessment was hypertension.", "role exchange"),
    ("He has new-onset hypertension.", "role exchange"),
    ("Presumed to have hypertension, he came with leg swelling.", "role exchange"),
    ("He has hypertension, which has resolved.", "change"),
    ("He has previous hypertension.", "certainty"),
    ("The suspected diagnosis was heart failure.", "certainty"),
    ("The diagnosis of heart failure could not be confirmed.", "certainty"),
    ("DVT was considered likely.", "certainty"),
    ("The provisional diagnosis was heart failure.", "certainty"),
    ("The assessment being hypertension, he was sent home.", "role exchange"),
    ("Maternal heart failure was noted.", "experiencer"),
    ("Because of hypertension, metformin was held.", "causality"),
    ("Due to fatigue, furosemide was increased to 40 mg.", "causality"),
    ("Metformin was held for leg swelling.", "causality"),
    ("Metformin was taken off on account of orthopnea.", "causality"),
    ("Fatigue, attributed to hypertension, was reported.", "causality"),
    ("Hyperkalemia caused by spironolactone was noted.", "causality"),
    ("Rash from furosemide was noted.", "causality"),
    ("His leg swelling was related to total knee replacement.", "causality"),
    ("Potassium reached 4.4 after 5.9.", "role exchange"),
    ("Potassium is now 4.4.", "role exchange"),
    ("There was a potassium level high at 2.1.", "role exchange"),
    ("He has had leg swelling over 5 days.", "time"),
    ("He had leg swelling for 13 days.", "time"),
    ("Left leg swelling was on the right; the cause was heart failure.", "laterality"),
    ("Spironolactone was kept on.", "change"),
    ("He is still on metformin.", "change"),
    ("The team withdrew lisinopril.", "change"),
    ("His orthopnea has resolved.", "change"),
    ("An echocardiogram was carried out.", "plan"),
    ("He had an echocardiogram.", "plan"),
    ("A chest X-ray is due.", "plan"),
    ("He awaits a chest X-ray.", "plan"),
)

# (summary, the type of an error that must be found)
LUNG_WRONG = (
    ("Patient has a history of DVT.", "experiencer"),
    ("She was diagnosed with pneumonia.", "negation"),
    ("She was found to have a confirmed pulmonary embolism.", "certainty"),
    ("She reports hemoptysis and cough.", "negation"),
    ("She has had shortness of breath for 3 weeks.", "time"),
    ("She denies pleuritic chest pain.", "negation"),
    ("Apixaban 5 mg twice daily was started.", "dose"),
    ("Ibuprofen was started and apixaban was stopped.", "change"),
    ("She was discharged home.", "change"),
    ("She is a former smoker.", "other"),
    ("She takes fluticasone 400 mcg.", "dose"),
    ("Hemoglobin rose from 11.9 to 10.2.", "number"),
    ("Hemoglobin dropped from 10.2 to 11.9.", "role exchange"),
    ("Allergic to penicillin.", "negation"),
    ("Left-sided pleuritic chest pain.", "laterality"),
    ("He presented with dyspnea.", "demographics"),
    ("She was febrile.", "number"),
    ("Her mother had a DVT.", "experiencer"),
    ("CTPA showed a pneumothorax.", "negation"),
    ("She underwent an echocardiogram.", "plan"),
    ("She was started on warfarin.", "medication"),
    ("She has a history of diabetes and hypertension.", "condition"),
    ("Chest X-ray was normal.", "procedure"),
    ("Follow-up with cardiology in one week.", "service"),
    ("Oxygen saturation was 98%.", "number"),
    ("She denies nausea.", "negation"),
    ("Heart rate was 24.", "role exchange"),
    ("She was admitted for 5 days.", "time"),
    ("Dyspnea improved.", "change"),
    ("No wheezing was heard.", "negation"),
    ("A 43-year-old woman with dyspnea.", "demographics"),
    ("She has severe COPD.", "condition"),
    ("She drinks alcohol daily.", "other"),
    ("Apixaban was started for migraine.", "causality"),
    ("Fluticasone for migraine was continued.", "causality"),
    ("She came with cough, and was found to have asthma.", "role exchange"),
    ("With pulmonary embolism the final diagnosis, she was admitted.", "certainty"),
    ("She is newly diagnosed with asthma.", "role exchange"),
    ("Ibuprofen is still on.", "change"),
    ("Oral fluticasone 110 mcg was continued.", "dose"),
)
